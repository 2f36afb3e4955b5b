/** Istio's default text access log line, field by field (Istio: "Envoy access logs", default format). */

const FIELDS: readonly string[] = [
  "[%START_TIME%]",
  '"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%"',
  "%RESPONSE_CODE%",
  "%RESPONSE_FLAGS%",
  "%RESPONSE_CODE_DETAILS%",
  "%CONNECTION_TERMINATION_DETAILS%",
  '"%UPSTREAM_TRANSPORT_FAILURE_REASON%"',
  "%BYTES_RECEIVED%",
  "%BYTES_SENT%",
  "%DURATION%",
  "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
  '"%REQ(X-FORWARDED-FOR)%"',
  '"%REQ(USER-AGENT)%"',
  '"%REQ(X-REQUEST-ID)%"',
  '"%REQ(:AUTHORITY)%"',
  '"%UPSTREAM_HOST%"',
  "%UPSTREAM_CLUSTER_RAW%",
  "%UPSTREAM_LOCAL_ADDRESS%",
  "%DOWNSTREAM_LOCAL_ADDRESS%",
  "%DOWNSTREAM_REMOTE_ADDRESS%",
  "%REQUESTED_SERVER_NAME%",
  "%ROUTE_NAME%",
];

export const DEFAULT_ACCESS_LOG_FORMAT: string = `${FIELDS.join(" ")}\n`;
