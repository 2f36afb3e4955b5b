/** Tells whoever waits what is going on, one line at a time. */
export type Progress = (line: string) => void;

export const silent: Progress = () => {};

/** Lines with the seconds since now before them. */
export function timedProgress(write: (text: string) => void): Progress {
  const started = performance.now();
  return line => {
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    write(`${seconds.padStart(6)} s  ${line}\n`);
  };
}
