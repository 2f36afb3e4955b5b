// In place of Istio's Bookinfo on test machines: all four services in one program. SERVICE says which
// one it is, VERSION its version. The page shows what the others answered, and when they did not.
import { hostname } from "node:os";
import { serve } from "./listen.mjs";

const { SERVICE = "productpage", VERSION = "v1" } = process.env;
const PORT = 9080;
const CALL_MS = 3_000;
/** What a service hands on so that calls are one trace, and belong to one user. */
const PASSED_ON = [
  ...["x-request-id", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled"],
  ...["x-b3-flags", "b3", "traceparent", "tracestate", "end-user", "user-agent"],
];
const COLORS = { v2: "black", v3: "red" };
const TITLE = "The Comedy of Errors";
const SERVICES = { productpage, details, reviews, ratings };

const answer = SERVICES[SERVICE];
if (answer === undefined) {
  console.error(`SERVICE: one of ${Object.keys(SERVICES).join(", ")}, found ${SERVICE}`);
  process.exit(1);
}
serve(PORT, (request, url, body) => {
  if (url.pathname === "/health") return { body: { status: `${SERVICE} is healthy` } };
  return answer(request, url, body);
});

function details(_request, { pathname }) {
  const id = idAfter("details", pathname);
  if (id === undefined) return undefined;
  const book = { author: "William Shakespeare", year: 1595, type: "paperback", pages: 200 };
  const edition = { publisher: "PublisherA", language: "English" };
  const isbn = { "ISBN-10": "1234567890", "ISBN-13": "123-1234567890" };
  return { body: { id, ...book, ...edition, ...isbn } };
}

function ratings(_request, { pathname }) {
  const id = idAfter("ratings", pathname);
  return id === undefined ? undefined : { body: { id, ratings: { Reviewer1: 5, Reviewer2: 4 } } };
}

async function reviews(request, { pathname }) {
  const id = idAfter("reviews", pathname);
  if (id === undefined) return undefined;
  const color = COLORS[VERSION];
  const found = color === undefined ? undefined : await call(request, `ratings:9080/ratings/${id}`);
  const rating = reviewer => {
    if (color === undefined) return {};
    const stars = found.value?.ratings[reviewer];
    if (stars === undefined)
      return { rating: { error: "Ratings service is currently unavailable" } };
    return { rating: { stars, color } };
  };
  const list = [
    { reviewer: "Reviewer1", text: "Two pairs of twins, and one long laugh." },
    { reviewer: "Reviewer2", text: "Well made, though it goes less deep than the later plays." },
  ];
  const body = {
    id: String(id),
    podname: hostname(),
    clustername: "null",
    reviews: list.map(each => ({ ...each, ...rating(each.reviewer) })),
  };
  return { body };
}

async function productpage(request, { pathname }, body) {
  if (pathname === "/" || pathname === "/index.html") return html("<a href=/productpage>book</a>");
  if (pathname === "/login") {
    const user = encodeURIComponent(new URLSearchParams(body).get("username") ?? "");
    return { status: 302, headers: { location: "/productpage", "set-cookie": `user=${user}` } };
  }
  if (pathname === "/logout")
    return { status: 302, headers: { location: "/productpage", "set-cookie": "user=; Max-Age=0" } };
  if (pathname === "/metrics") return { body: `# TYPE request_result_total counter\n` };
  const user = /(?:^|;\s*)user=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];
  if (user !== undefined) request.headers["end-user"] = decodeURIComponent(user);
  if (pathname === "/api/v1/products") return { body: [{ id: 0, title: TITLE }] };
  const product = /^\/api\/v1\/products\/0(?:\/(reviews|ratings))?$/.exec(pathname);
  if (product !== null) {
    const service = product[1] ?? "details";
    const { status, value } = await call(request, `${service}:9080/${service}/0`);
    return { status, body: value ?? { error: `${service} are currently unavailable` } };
  }
  return pathname === "/productpage" ? page(request) : undefined;
}

async function page(request) {
  const [book, said] = await Promise.all([
    call(request, "details:9080/details/0"),
    call(request, "reviews:9080/reviews/0"),
  ]);
  const failed = what => `<p>Error fetching product ${what}!</p>`;
  const facts =
    book.value === undefined
      ? failed("details")
      : Object.entries(book.value)
          .map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`)
          .join("\n");
  const opinions = said.value?.reviews.map(opinion).join("\n") ?? failed("reviews");
  const served = said.value === undefined ? "" : `<p>Reviews served by: ${said.value.podname}</p>`;
  const user = escape(request.headers["end-user"] ?? "");
  return html(`<p>user: ${user}</p>\n<h3>${TITLE}</h3>\n<dl>${facts}</dl>\n${opinions}\n${served}`);
}

function opinion({ reviewer, text, rating }) {
  const star = '<span class="glyphicon glyphicon-star"></span>';
  const stars =
    rating === undefined
      ? ""
      : rating.stars === undefined
        ? `<p><i>${rating.error}</i></p>`
        : `<font color="${rating.color}">${star.repeat(rating.stars)}</font>`;
  return `<blockquote><p>${text}</p><small>${reviewer}</small>${stars}</blockquote>`;
}

function html(body) {
  const head = "<head><title>Simple Bookstore App</title></head>";
  const page = `<!DOCTYPE html>\n<html>${head}<body>\n${body}\n</body></html>\n`;
  return { type: "text/html; charset=utf-8", body: page };
}

function escape(text) {
  return text.replace(/[&<>"]/g, sign => `&#${sign.charCodeAt(0)};`);
}

function idAfter(name, pathname) {
  const [, id] = new RegExp(`^/${name}/(\\d+)$`).exec(pathname) ?? [];
  return id === undefined ? undefined : Number(id);
}

/** {status, value}; no value where the service did not answer with one. */
async function call(request, target) {
  const headers = {};
  for (const name of PASSED_ON)
    if (request.headers[name] !== undefined) headers[name] = request.headers[name];
  try {
    const answer = await fetch(`http://${target}`, {
      headers,
      signal: AbortSignal.timeout(CALL_MS),
    });
    if (!answer.ok) return { status: answer.status };
    return { status: answer.status, value: await answer.json() };
  } catch {
    return { status: 503 };
  }
}
