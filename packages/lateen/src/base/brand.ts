declare const brand: unique symbol;
/** A string that must not be mixed up with other strings; minted by one parser or formatter. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
