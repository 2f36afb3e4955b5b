/** core/v1 Service: its fields and Kubernetes' defaults. */
import type { ObjectOfKind } from "../define.ts";
import { dnsLabel, labelValue, orEmpty, portName, qualifiedName } from "../names.ts";
import {
  any,
  boolean,
  enumOf,
  integer,
  intOrString,
  list,
  map,
  object,
  optional,
  orElse,
  required,
  string,
  withDefault,
} from "../schema.ts";

const servicePort = object({
  name: orElse(
    string({
      description: "Needed when there is more than one; its prefix may name a protocol.",
      check: orEmpty(dnsLabel),
    }),
    "",
  ),
  port: required(integer({ min: 1, max: 65535, description: "The port that clients use." })),
  targetPort: intOrString({
    description: "Port of the pods, a number or a container port's name. Default: port.",
    check: portName,
  }),
  protocol: withDefault(enumOf(["TCP", "UDP", "SCTP"], { notYetValues: ["SCTP"] }), "TCP"),
  appProtocol: string({ description: "Application protocol, such as http, http2, grpc or tcp." }),
  nodePort: integer({ min: 0, max: 65535 }),
});

const ipFamilies = enumOf(["IPv4", "IPv6"]);

export const serviceFields = {
  spec: orElse(
    object({
      type: withDefault(
        enumOf(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]),
        "ClusterIP",
      ),
      clusterIP: string({ description: "Virtual address; None makes the Service headless." }),
      clusterIPs: list(string()),
      ports: list(servicePort, {
        patchMergeKey: "port",
        mapKeys: ["port", "protocol"],
        description: "The ports that clients may use.",
      }),
      selector: optional(
        map(string({ check: labelValue }), {
          keyCheck: qualifiedName,
          description:
            "Labels of the pods behind the Service. Absent: endpoints come from elsewhere.",
        }),
      ),
      publishNotReadyAddresses: orElse(
        boolean({ description: "Pods that are not ready are endpoints, too." }),
        false,
      ),
      externalName: string({ description: "Name of another service, or of a host outside." }),
      externalIPs: optional(list(string())),
      sessionAffinity: withDefault(
        enumOf(["None", "ClientIP"], { notYetValues: ["ClientIP"] }),
        "None",
      ),
      sessionAffinityConfig: any(),
      ipFamilies: optional(list(ipFamilies)),
      ipFamilyPolicy: enumOf(["SingleStack", "PreferDualStack", "RequireDualStack"]),
      internalTrafficPolicy: enumOf(["Cluster", "Local"]),
      externalTrafficPolicy: enumOf(["Cluster", "Local"]),
      trafficDistribution: string({
        description: "PreferClose, PreferSameZone or PreferSameNode: near endpoints first.",
      }),
      healthCheckNodePort: integer(),
      loadBalancerIP: string(),
      loadBalancerClass: string(),
      loadBalancerSourceRanges: optional(list(string())),
      allocateLoadBalancerNodePorts: boolean(),
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

export type Service = ObjectOfKind<typeof serviceFields>;
export type ServiceSpec = Service["spec"];
export type KubernetesServicePort = ServiceSpec["ports"][number];
