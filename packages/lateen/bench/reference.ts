/**
 * What the reference control plane took for the same load (500 services of 10 endpoints, 200
 * sidecars, two idle cores, August 2026), and what ours should take. Times in ms, sizes in bytes.
 */
export type FigureName =
  | "resident before the first proxy"
  | "all configured"
  | "bytes to configure"
  | "CPU to configure"
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

export const unscopedReference: Partial<Record<FigureName, ReferenceFigure>> = {
  "resident before the first proxy": { reference: "166 MB", target: "< 150 MB" },
  "all configured": { reference: "34.6 s", target: "< 6 s" },
  "bytes to configure": { reference: "1.31 GB", target: "what each needs once" },
  "CPU to configure": { reference: "76 s", target: "" },
  "peak resident": { reference: "1.5-1.6 GB", target: "< 400 MB" },
  "endpoint change: last proxy": { reference: "158-170 ms", target: "< 30 ms" },
  "endpoint change: bytes": { reference: "0.93 MB", target: "<= 0.93 MB" },
  "route change: first proxy": { reference: "120 ms", target: "" },
  "route change: last proxy": { reference: "2.0-2.7 s", target: "< 100 ms" },
  "route change: bytes": { reference: "98 MB", target: "< 0.8 MB" },
  "route change: pushes": { reference: "3 a proxy", target: "1 a proxy" },
};

export const scopedReference: Partial<Record<FigureName, ReferenceFigure>> = {
  "resident before the first proxy": { reference: "166 MB", target: "< 150 MB" },
  "all configured": { reference: "4.5 s", target: "< 1 s" },
  "bytes to configure": { reference: "133 MB", target: "what each needs once" },
  "CPU to configure": { reference: "8 s", target: "" },
  "peak resident": { reference: "305 MB", target: "< 200 MB" },
  "endpoint change: last proxy": { reference: "110-119 ms", target: "< 15 ms" },
  "endpoint change: bytes": { reference: "93 KB", target: "<= 93 KB" },
  "route change: last proxy": { reference: "129-166 ms", target: "< 20 ms" },
  "route change: bytes": { reference: "1.2 MB", target: "< 80 KB" },
  "route change: pushes": { reference: "60", target: "20" },
};
