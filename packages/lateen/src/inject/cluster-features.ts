/** What the Kubernetes that a pod runs on can do, as far as injection depends on it. */
export interface ClusterFeatures {
  /** Init containers with restartPolicy Always (on by default since Kubernetes 1.29). */
  readonly nativeSidecars: boolean;
  /** Lifecycle action `sleep` (on by default since 1.30). */
  readonly sleepAction: boolean;
}

/** `major` and `minor` as GET /version has them; vendors write a + behind. */
export function featuresOf(version: {
  readonly major: string;
  readonly minor: string;
}): ClusterFeatures {
  const minor = Number.parseInt(version.minor, 10) || 0;
  const after = (wanted: number): boolean =>
    Number.parseInt(version.major, 10) > 1 || minor >= wanted;
  return { nativeSidecars: after(29), sleepAction: after(30) };
}
