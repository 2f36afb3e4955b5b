/**
 * Kubernetes' `$(NAME)` references in a container's command, args and env: `$$` is a literal `$`,
 * a reference to an unknown name stays as it is written.
 * https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
 */
export function expandReferences(
  text: string,
  lookup: (name: string) => string | undefined,
): string {
  return text.replace(/\$\$|\$\(([^()]*)\)/g, (match, name: string | undefined) => {
    if (name === undefined) return "$";
    return lookup(name) ?? match;
  });
}

/** Makes text safe for expandReferences, but for references to the names given. */
export function escapeReferences(text: string, keep: readonly string[]): string {
  const kept = keep.map(name => `$(${name})`);
  return text.replace(/\$/g, (dollar, offset: number) =>
    kept.some(reference => text.startsWith(reference, offset)) ? dollar : "$$",
  );
}
