export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Structured log. Fields never hold a secret: no token, key or Secret data. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same sink under a narrower scope name (Istio's log scopes: ads, ca, model, ...). */
  scope(name: string): Log;
}

const nothing = (): void => {};
export const silentLog: Log = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  scope: () => silentLog,
};
