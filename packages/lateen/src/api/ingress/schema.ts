/** networking.k8s.io/v1 Ingress: its fields. */
import type { ObjectOfKind } from "../define.ts";
import { dnsLabel1035, dnsSubdomain, orEmpty, portName } from "../names.ts";
import {
  any,
  enumOf,
  integer,
  list,
  notYet,
  object,
  orElse,
  required,
  type StringCheck,
  string,
} from "../schema.ts";

/** As Kubernetes has it: `*.` before a name, and never an address. */
export const ingressHost: StringCheck = text => {
  if (/^[0-9.]+$/.test(text)) return "a host name, not an IP address";
  return dnsSubdomain(text.startsWith("*.") ? text.slice(2) : text);
};

const backend = object({
  service: object({
    name: required(string({ check: dnsLabel1035, description: "A Service of this namespace." })),
    port: orElse(
      object({
        name: orElse(string({ check: orEmpty(portName) }), ""),
        number: integer({ min: 1, max: 65535 }),
      }),
      {},
    ),
  }),
  resource: notYet(any()),
});

const path = object({
  path: orElse(string({ description: "Begins with a slash." }), ""),
  pathType: required(
    enumOf(["Exact", "Prefix", "ImplementationSpecific"], {
      description:
        "Prefix goes by whole path elements; ImplementationSpecific is Istio's matching.",
    }),
  ),
  backend: required(backend),
});

const rule = object({
  host: orElse(
    string({ check: orEmpty(ingressHost), description: "Empty: all hosts. *.x: one label more." }),
    "",
  ),
  http: object({ paths: list(path) }),
});

export const ingressFields = {
  spec: orElse(
    object({
      ingressClassName: string({ check: orEmpty(dnsSubdomain) }),
      defaultBackend: backend,
      rules: list(rule, { description: "Which requests go where." }),
      tls: list(
        object({
          hosts: list(string({ check: ingressHost })),
          secretName: orElse(
            string({ description: "Secret in the namespace of the gateway's pods." }),
            "",
          ),
        }),
      ),
    }),
    {},
  ),
  status: object(
    {
      loadBalancer: object(
        { ingress: list(object({ ip: string(), hostname: string() }, { open: true })) },
        { open: true },
      ),
    },
    { open: true },
  ),
};

export type Ingress = ObjectOfKind<typeof ingressFields>;
export type IngressBackend = NonNullable<Ingress["spec"]["defaultBackend"]>;
export type IngressPath = NonNullable<Ingress["spec"]["rules"][number]["http"]>["paths"][number];
