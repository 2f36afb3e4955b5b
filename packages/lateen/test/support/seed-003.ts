/** Where the objects of seed 003 are, for its tests on one machine and on Kubernetes. */
import { join } from "node:path";

/** Path of a file, or of a folder of files, by its name in the seed. */
export function seedFile(name: string): string {
  return join(import.meta.dirname, "../testdata/seed-003", name);
}

export const PS = `
NAME                                                   CLUSTER        CDS        LDS        EDS        RDS          ECDS         ISTIOD                      VERSION
demoappv10-54757f48d6-77g4l.default                    Kubernetes     SYNCED     SYNCED     SYNCED     SYNCED       NOT SENT     istiod-744dc8cf66-ldqt7     1.14.3
demoappv10-54757f48d6-fcv4b.default                    Kubernetes     SYNCED     SYNCED     SYNCED     SYNCED       NOT SENT     istiod-744dc8cf66-ldqt7     1.14.3
demoappv10-54757f48d6-n2hzh.default                    Kubernetes     SYNCED     SYNCED     SYNCED     SYNCED       NOT SENT     istiod-744dc8cf66-ldqt7     1.14.3
istio-egressgateway-55748d4c9b-q5pqk.istio-system      Kubernetes     SYNCED     SYNCED     SYNCED     NOT SENT     NOT SENT     istiod-744dc8cf66-ldqt7     1.14.3
istio-ingressgateway-66867b46f4-rzjqb.istio-system     Kubernetes     SYNCED     SYNCED     SYNCED     SYNCED       NOT SENT     istiod-744dc8cf66-ldqt7     1.14.3
sleep-645b966fc4-h9jhm.default                         Kubernetes     SYNCED     SYNCED     SYNCED     SYNCED       NOT SENT     istiod-744dc8cf66-ldqt7     1.14.3`;

/** What `proxy-config` shows of the client and of the ingress gateway, from step to step. */
export const SLEEP_LISTENERS = [
  "ADDRESS PORT MATCH                                DESTINATION",
  "0.0.0.0 8080 Trans: raw_buffer; App: http/1.1,h2c Route: 8080",
  "0.0.0.0 8080 ALL                                  PassthroughCluster",
];

export const SLEEP_ROUTES = [
  "NAME     DOMAINS                                        MATCH     VIRTUAL SERVICE",
  "8080     demoappv10, demoappv10.default + 1 more...     /*",
];

/** The gateway's, too. */
export const CLUSTERS = [
  "SERVICE FQDN                             PORT     SUBSET     DIRECTION     TYPE     DESTINATION RULE",
  "demoappv10.default.svc.cluster.local     8080     -          outbound      EDS",
];

export const GATEWAY_LISTENERS_AT_FIRST = [
  "ADDRESS PORT  MATCH DESTINATION",
  "0.0.0.0 15021 ALL   Inline Route: /healthz/ready*",
  "0.0.0.0 15090 ALL   Inline Route: /stats/prometheus*",
];

export const GATEWAY_LISTENERS = [
  "ADDRESS PORT  MATCH DESTINATION",
  "0.0.0.0 8080  ALL   Route: http.8080",
  "0.0.0.0 15021 ALL   Inline Route: /healthz/ready*",
  "0.0.0.0 15090 ALL   Inline Route: /stats/prometheus*",
];

export const GATEWAY_ROUTES_WITHOUT_VIRTUAL_SERVICE = [
  "NAME          DOMAINS     MATCH                  VIRTUAL SERVICE",
  "http.8080     *           /*                     404",
  "              *           /healthz/ready*",
  "              *           /stats/prometheus*",
];

export const GATEWAY_ROUTES = [
  "NAME          DOMAINS                MATCH                  VIRTUAL SERVICE",
  "http.8080     demoapp.magedu.com     /*                     demoapp.default",
  "              *                      /healthz/ready*",
  "              *                      /stats/prometheus*",
];
