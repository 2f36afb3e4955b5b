/** What people know from kubectl and Lateen leaves to it. */

/** Commands of kubectl that Lateen has none of by that name. */
export const KUBECTL_VERBS: ReadonlySet<string> = new Set([
  ...["annotate", "api-resources", "api-versions", "attach", "auth", "autoscale", "certificate"],
  ...["cluster-info", "config", "cordon", "cp", "create", "debug", "describe", "diff", "drain"],
  ...["edit", "events", "explain", "expose", "kustomize", "patch", "proxy", "replace", "rollout"],
  ...["run", "scale", "set", "taint", "top", "uncordon", "wait"],
]);

/** Commands that both have: what Lateen's does not take, kubectl's may. */
const SHARED: ReadonlySet<string> = new Set([
  ...["apply", "delete", "exec", "get", "label", "logs", "port-forward"],
]);

/** The same words for kubectl; undefined where they mean nothing to it. */
export function kubectlLine(kubectl: string, words: readonly string[]): string | undefined {
  const verb = words.find(word => !word.startsWith("-"));
  if (verb === undefined || !(KUBECTL_VERBS.has(verb) || SHARED.has(verb))) return undefined;
  return [kubectl, ...withoutOurs(words).map(shellWord)].join(" ");
}

/** Which mesh is meant stands in the kubeconfig. */
function withoutOurs(words: readonly string[]): readonly string[] {
  return words.filter((word, index) => !/^--mesh(=|$)/.test(word) && words[index - 1] !== "--mesh");
}

/** As it stands in a line that a person copies into a shell. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
