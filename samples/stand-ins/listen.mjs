// What the stand-ins share: an HTTP server that ends on SIGTERM once it has answered.
import { createServer } from "node:http";

const MAX_BODY = 1 << 20;

/** `answer(request, url, body)` gives {status, type, headers, body}; 404 where it gives nothing. */
export function serve(port, answer) {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const { status = 200, type, headers = {}, body } = await answered(answer, request, url);
    const json = typeof body === "object";
    const contentType = type ?? (json ? "application/json; charset=utf-8" : "text/plain");
    response.writeHead(status, { "content-type": contentType, ...headers });
    response.end(json ? `${JSON.stringify(body)}\n` : body);
  });
  server.on("error", error => {
    console.error(error.message);
    process.exit(1);
  });
  server.listen(port, () => console.log(`listens on ${port}`));
  process.on("SIGTERM", () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}

async function answered(answer, request, url) {
  try {
    const found = await answer(request, url, await read(request));
    return found ?? { status: 404, body: "not found\n" };
  } catch (error) {
    return { status: 500, body: { error: error.message } };
  }
}

async function read(request) {
  let body = "";
  for await (const chunk of request) if (body.length < MAX_BODY) body += chunk;
  return body;
}
