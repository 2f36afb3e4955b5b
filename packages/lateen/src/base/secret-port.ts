/** The store, as far as those need it who keep a key there: Secrets of the root namespace. */
export interface SecretPort {
  /** The Secret's data decoded from base64; undefined when there is none. */
  get(name: string): Promise<Readonly<Record<string, string>> | undefined>;
  /** `exists` when somebody else was first: nothing is written then. */
  create(
    name: string,
    type: string,
    data: Readonly<Record<string, string>>,
  ): Promise<"created" | "exists">;
}
