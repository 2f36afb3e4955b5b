/**
 * What Istio's control plane took for the same loads, on two idle cores like ours, and what ours should
 * take. Measured in August 2026 (services with an HTTP port) and on 2026-11-30 (with an HTTP and a TCP
 * port, beside a real API server, with Istio of August 2026): constants, nobody measures them again.
 */
import type { ScenarioName } from "./scenario-sizes.ts";

export type FigureName =
  | "resident before the first proxy"
  | "all configured"
  | "bytes to configure"
  | "CPU to configure"
  | "garbage collection"
  | "peak resident"
  | "endpoint change: last proxy"
  | "endpoint change: bytes"
  | "endpoint change: pushes"
  | "route change: first proxy"
  | "route change: last proxy"
  | "route change: bytes"
  | "route change: pushes";

export interface ReferenceFigure {
  readonly reference: string;
  readonly target: string;
}

type Figures = Partial<Record<FigureName, ReferenceFigure>>;

/** Of busy time, in every load. */
const collection: ReferenceFigure = { reference: "", target: "<= 10 %" };

const unscoped: Figures = {
  "resident before the first proxy": { reference: "166 MB", target: "< 150 MB" },
  "all configured": { reference: "34.6 s", target: "< 6 s" },
  "bytes to configure": { reference: "1.31 GB", target: "what each needs once" },
  "CPU to configure": { reference: "76 s", target: "" },
  "garbage collection": collection,
  "peak resident": { reference: "1.5-1.6 GB", target: "< 400 MB" },
  "endpoint change: last proxy": { reference: "158-170 ms", target: "< 30 ms, <= x1.5" },
  "endpoint change: bytes": { reference: "0.93 MB", target: "<= 0.93 MB" },
  "route change: first proxy": { reference: "120 ms", target: "" },
  "route change: last proxy": { reference: "2.0-2.7 s", target: "< 100 ms" },
  "route change: bytes": { reference: "98 MB", target: "< 0.8 MB" },
  "route change: pushes": { reference: "3 a proxy", target: "1 a proxy" },
};

const scoped: Figures = {
  "resident before the first proxy": { reference: "166 MB", target: "< 150 MB" },
  "all configured": { reference: "4.5 s", target: "< 1 s" },
  "bytes to configure": { reference: "133 MB", target: "what each needs once" },
  "CPU to configure": { reference: "8 s", target: "" },
  "garbage collection": collection,
  "peak resident": { reference: "305 MB", target: "< 200 MB" },
  "endpoint change: last proxy": { reference: "110-119 ms", target: "< 15 ms" },
  "endpoint change: bytes": { reference: "93 KB", target: "<= 93 KB" },
  "route change: last proxy": { reference: "129-166 ms", target: "< 20 ms" },
  "route change: bytes": { reference: "1.2 MB", target: "< 80 KB" },
  "route change: pushes": { reference: "60", target: "20" },
};

const tcp: Figures = {
  "resident before the first proxy": { reference: "152 MB", target: "120 MB" },
  "all configured": { reference: "22.6 s", target: "3.5 s, <= x2" },
  "bytes to configure": { reference: "1.38 GB", target: "<= 1.3 GB, better 1.1 GB" },
  "CPU to configure": { reference: "51 s in the whole run", target: "" },
  "garbage collection": collection,
  "peak resident": { reference: "1.30 GB", target: "0.3 GB" },
  "endpoint change: last proxy": { reference: "153-164 ms", target: "15 ms, <= x1.5" },
  "endpoint change: bytes": { reference: "0.93 MB", target: "<= 0.93 MB, better 0.8 MB" },
  "route change: last proxy": { reference: "2.2-2.4 s", target: "12 ms" },
  "route change: bytes": { reference: "172 MB", target: "" },
  "route change: pushes": { reference: "3 a proxy", target: "1 a proxy" },
};

const tcpScoped: Figures = {
  "resident before the first proxy": { reference: "152 MB", target: "120 MB" },
  "all configured": { reference: "2.3 s", target: "0.8 s" },
  "bytes to configure": { reference: "142 MB", target: "115 MB" },
  "garbage collection": collection,
  "peak resident": { reference: "523 MB", target: "160 MB" },
  "endpoint change: last proxy": { reference: "109-113 ms", target: "" },
  "endpoint change: bytes": { reference: "93 KB", target: "88 KB" },
  "route change: last proxy": { reference: "128-139 ms", target: "" },
  "route change: bytes": { reference: "2.1 MB", target: "" },
};

const tcp2000: Figures = {
  "resident before the first proxy": { reference: "152 MB", target: "120 MB" },
  "all configured": { reference: "24.3 s", target: "4 s" },
  "bytes to configure": { reference: "1.42 GB", target: "1.2 GB" },
  "CPU to configure": { reference: "37 s in the whole run", target: "" },
  "garbage collection": collection,
  "peak resident": { reference: "1.05 GB", target: "0.3 GB" },
};

const tcp10000: Figures = {
  "all configured": { reference: "not run", target: "40 s" },
  "garbage collection": collection,
  "peak resident": { reference: "not run", target: "0.6 GB" },
};

export const references: Readonly<Partial<Record<ScenarioName, Figures>>> = {
  unscoped,
  scoped,
  tcp,
  "tcp-scoped": tcpScoped,
  "tcp-2000": tcp2000,
  "tcp-10000": tcp10000,
};
