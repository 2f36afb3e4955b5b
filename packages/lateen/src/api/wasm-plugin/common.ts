/** What WasmPlugin and TrafficExtension share (extensions.istio.io). */
import { fieldOf } from "../policy/common.ts";
import {
  describe,
  enumOf,
  integer,
  list,
  object,
  required,
  type SchemaRule,
  string,
} from "../schema.ts";

export const group = "extensions.istio.io";
export const categories = ["istio-io", "extensions-istio-io"] as const;

const SCHEMES = /^(?:https?|file|oci):\/\/|^[^:]+(?::\d+)?(?:\/|$)/i;

const MODULE_URL: SchemaRule = {
  rule: 'url(isURL(self) ? self : "http://" + self).getScheme() in ["", "http", "https", "file", "oci"]',
  message: "want a URL with http, https, file or oci, or an image without a scheme",
  holds: value => typeof value === "string" && SCHEMES.test(value),
};

export const moduleUrl = string({
  minLength: 1,
  rules: [MODULE_URL],
  description: "Where the module or the image is.",
});

export const imagePullSecret = string({ minLength: 1, maxLength: 253 });
export const imagePullPolicy = enumOf(["UNSPECIFIED_POLICY", "IfNotPresent", "Always"]);
export const failStrategy = enumOf(["FAIL_CLOSE", "FAIL_OPEN", "FAIL_RELOAD"]);
export const pluginName = string({ minLength: 1, maxLength: 256 });
export const pluginType = enumOf(["UNSPECIFIED_PLUGIN_TYPE", "HTTP", "NETWORK"]);
export const sha256 = string({ pattern: "(^$|^[a-f0-9]{64}$)" });
export const pluginConfig = describe("What the module is given.", object({}, { open: true }));
export const priority = integer({ min: -2_147_483_648, max: 2_147_483_647, nullable: true });

export const trafficMatch = list(
  object({
    mode: enumOf(["UNDEFINED", "CLIENT", "SERVER", "CLIENT_AND_SERVER"]),
    ports: list(object({ number: required(integer({ min: 1, max: 65535 })) }), {
      mapKeys: ["number"],
    }),
  }),
);

export const vmConfig = object({
  env: list(
    object(
      {
        name: required(string({ minLength: 1, maxLength: 256 })),
        value: string({ maxLength: 2048 }),
        valueFrom: enumOf(["INLINE", "HOST"]),
      },
      {
        rules: [
          {
            rule: '!has(self.value) || !has(self.valueFrom) || self.valueFrom != "HOST"',
            message: "a value does not go with valueFrom HOST",
            holds: value =>
              fieldOf(value, "valueFrom") !== "HOST" || fieldOf(value, "value") === undefined,
            found: () => "found valueFrom HOST with a value, want no value, or valueFrom INLINE",
            newOnly: true,
          },
        ],
      },
    ),
    { maxItems: 256, mapKeys: ["name"] },
  ),
});
