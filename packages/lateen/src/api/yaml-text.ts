/** YAML that stands as a text inside of an object: MeshConfig in a ConfigMap, ProxyConfig in an annotation. */
import type { Result } from "../base/diagnostic.ts";
import type { Json } from "./kind.ts";

export type YamlRead = { readonly value: Json } | { readonly problem: string };

/** Reads a text and decodes what it says; `decode` says what is wrong with a text that is no YAML, too. */
export type DecodeYaml = <T>(text: string, decode: (read: YamlRead) => Result<T>) => Result<T>;
