/**
 * Paths as Go's ServeMux cleans them (net/http, "Request sanitizing"): runs of slashes are one, `.` and
 * `..` are gone, a slash at the end stays. Clients written against istiod ask for `//version`.
 */

/** `path` is still percent-encoded and begins with a slash. */
export function cleanPath(path: string): string {
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") kept.pop();
    else kept.push(part);
  }
  if (kept.length === 0) return "/";
  return `/${kept.join("/")}${path.endsWith("/") ? "/" : ""}`;
}
