/** Everything a command may touch, injected by the composition root and by tests. */

export interface Output {
  write(text: string): void;
}

/** A pod as the CLI names it. */
export interface PodRef {
  readonly namespace: string;
  readonly name: string;
}

/** Answer of Kubernetes' API or of our store, with the warnings it sent along. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly warnings: readonly string[];
}

export interface ApiCall {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query, e.g. `/api/v1/namespaces/default/pods?labelSelector=app%3Dsleep`. */
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
}

/** Of a call that goes on: lines of the answer as they come. */
export interface Following {
  readonly onLines: (lines: readonly string[]) => void;
  /** Ends it. */
  readonly until: Promise<void>;
}

/** Of an answer that is text: pieces of it as they come. */
export interface ReadingText {
  readonly onText: (text: string) => void;
  /** Ends it. */
  readonly until: Promise<void>;
}

export interface ExecIo {
  readonly command: readonly string[];
  readonly container: string | undefined;
  readonly stdin: boolean;
  readonly tty: boolean;
}

export interface Forward {
  /** An address of this machine. */
  readonly address: string;
  /** 0: any free one. */
  readonly localPort: number;
  readonly podPort: number;
  readonly onConnection: () => void;
  /** Nothing listens on that port in the pod. */
  readonly onRefused: () => void;
  /** A connection came after the pod had gone. */
  readonly onLost: () => void;
}

export interface Forwarding {
  readonly localPort: number;
  readonly close: () => void;
}

/**
 * A way into a running mesh. The local one talks to the machine's store and runtime; one on
 * Kubernetes to the API server.
 */
export interface MeshAccess {
  api(call: ApiCall): Promise<ApiAnswer>;
  /** Resolves where the server ends the answer, or `until` does; the refusal, where there was one. */
  follow(call: ApiCall, following: Following): Promise<ApiAnswer | undefined>;
  /** As `follow`, for what is text. */
  readText(call: ApiCall, reading: ReadingText): Promise<ApiAnswer | undefined>;
  /** Envoy's admin interface of a pod: body of the answer. */
  envoyAdmin(pod: PodRef, method: "GET" | "POST", path: string): Promise<string>;
  /**
   * Debug interface of every control-plane instance, by instance name. Of a proxy that is not
   * connected to it, an instance says so in words where others have JSON.
   */
  discoveryDebug(path: string): Promise<ReadonlyMap<string, string>>;
  /** Streams between the terminal and a command in the pod; resolves to its exit code. */
  exec(pod: PodRef, io: ExecIo): Promise<number>;
  /** Listens here for a port of the pod's loopback; `problem`: why it can not listen. */
  forward(pod: PodRef, options: Forward): Promise<Forwarding | { readonly problem: string }>;
}

export interface CliContext {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Version of this program. */
  readonly version: string;
  readonly now: () => number;
  /** Lets some time go by. */
  pause(ms: number): Promise<void>;
  /** Name that was given for the local mesh, by flag or environment. */
  readonly meshName: string | undefined;
  /** The folder that meshes are kept under (undefined: the default). */
  readonly home: string | undefined;
  /** Opens the mesh named by the flags and environment; throws UserError when there is none. */
  mesh(): Promise<MeshAccess>;
  readFile(path: string): Promise<string>;
  /**
   * The file itself, or what a folder holds of YAML and JSON, in the order of names; `recursive`:
   * with the folders within.
   */
  objectFiles(path: string, recursive: boolean): Promise<readonly string[]>;
  /** Standard input, for `-f -`. */
  readStdin(): Promise<string>;
  /** Resolves at Ctrl-C, for commands that go on until then. */
  interrupted(): Promise<void>;
  /** Namespace of `-n` or of the current context. */
  readonly namespace: string;
  /** istioctl's older layouts: undefined is today's. */
  readonly compat: "1.12" | "1.14" | undefined;
}
