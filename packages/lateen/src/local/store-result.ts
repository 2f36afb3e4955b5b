import type { ApiResult } from "../sources/status.ts";

/** Thrown where the store refuses what a controller wants; its work is tried again later. */
export class StoreRefusal extends Error {
  override readonly name = "StoreRefusal";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** The value of a request that has to succeed for the work to go on. */
export function expectOk<T>(result: ApiResult<T>): T {
  if (result.ok) return result.value;
  throw new StoreRefusal(result.status.code, result.status.message ?? "refused");
}
