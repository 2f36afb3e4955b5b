/**
 * Programs in place of the images of Istio's samples, which name no program of this machine: they answer
 * what tutorials ask them in the form of the originals (samples/stand-ins).
 */

export interface StandIn {
  /** With references such as `$(LATEEN_ROOT)`. */
  readonly command: readonly string[];
  /** What the image sets; the container's own variables go before them. */
  readonly env: Readonly<Record<string, string>>;
}

const PROGRAMS = "$(LATEEN_ROOT)/samples/stand-ins";
const ISTIO = "(?:(?:docker\\.io/)?istio|registry\\.istio\\.io/[a-z]+|gcr\\.io/istio-[a-z]+)";

type Found = readonly (string | undefined)[];

const IMAGES: readonly (readonly [pattern: RegExp, standIn: (found: Found) => StandIn])[] = [
  [
    pattern(`${ISTIO}/examples-bookinfo-(productpage|details|ratings|reviews)-(v\\d+)`),
    ([, service = "", version = ""]) => program("bookinfo", { SERVICE: service, VERSION: version }),
  ],
  [
    pattern(`${ISTIO}/examples-helloworld-(v\\d+)`),
    ([, version = ""]) => program("helloworld", { VERSION: version }),
  ],
  [pattern(`${ISTIO}/tcp-echo-server`), () => program("tcp-echo")],
  [pattern("(?:docker\\.io/)?mccutchen/go-httpbin"), () => program("httpbin")],
  [
    pattern("(?:docker\\.io/)?(?:kennethreitz|kong)/httpbin"),
    () => program("httpbin", { PORT: "80" }),
  ],
  [
    pattern("(?:docker\\.io/)?ikubernetes/demoapp", ":(v[\\d.]+)"),
    ([, version = ""]) => ({
      command: ["node", "$(LATEEN_ROOT)/samples/demoapp/server.mjs"],
      env: { PORT: "80", HOST: "0.0.0.0", VERSION: version, LINGER_MS: "3000" },
    }),
  ],
];

/** undefined: nothing stands in for this image. */
export function standInFor(image: string): StandIn | undefined {
  for (const [known, standIn] of IMAGES) {
    const found = known.exec(image);
    if (found !== null) return standIn(found);
  }
  return undefined;
}

function pattern(repository: string, tag = "(?::[\\w.-]+)?"): RegExp {
  return new RegExp(`^${repository}${tag}(?:@sha256:[0-9a-f]{64})?$`);
}

function program(name: string, env: Readonly<Record<string, string>> = {}): StandIn {
  return { command: ["node", `${PROGRAMS}/${name}.mjs`], env };
}
