// In place of Istio's helloworld on test machines. VERSION says which one it is.
import { hostname } from "node:os";
import { serve } from "./listen.mjs";

const line = `Hello version: ${process.env.VERSION ?? "v1"}, instance: ${hostname()}\n`;

serve(Number(process.env.PORT ?? 5000), (_request, url) => {
  if (url.pathname === "/hello") return { body: line };
  return url.pathname === "/health" ? { body: "Helloworld is healthy\n" } : undefined;
});
