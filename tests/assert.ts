/**
 * The assertions of `@std/assert` with types: the package that the import map names has none.
 *
 * @module
 */

import * as std from "@std/assert";

/** A class whose instances are `T`; `never[]` lets its constructor take any parameters. */
export type Class<T> = abstract new (...args: never[]) => T;

/** Fails unless `expression` is truthy. */
export const assert: (expression: unknown, message?: string) => asserts expression = std.assert;

/** Fails unless both values are deeply equal. */
export const assertEquals: <T>(actual: T, expected: T, message?: string) => void = std.assertEquals;

/** Fails unless both are the same value (`Object.is`). */
export const assertStrictEquals: <T>(
  actual: unknown,
  expected: T,
  message?: string,
) => asserts actual is T = std.assertStrictEquals;

/** Fails unless `actual` is an instance of `expected`. */
export const assertInstanceOf: <T>(
  actual: unknown,
  expected: Class<T>,
  message?: string,
) => asserts actual is T = std.assertInstanceOf;

/** Fails unless `actual` contains `expected`. */
export const assertStringIncludes: (actual: string, expected: string, message?: string) => void =
  std.assertStringIncludes;

/** Fails unless `actual` matches `pattern`. */
export const assertMatch: (actual: string, pattern: RegExp, message?: string) => void =
  std.assertMatch;

/** Fails if `actual` matches `pattern`. */
export const assertNotMatch: (actual: string, pattern: RegExp, message?: string) => void =
  std.assertNotMatch;

/** Fails unless `run` throws an `errorClass` whose message contains `includes`; returns the error. */
export const assertThrows: <E extends Error = Error>(
  run: () => unknown,
  errorClass?: Class<E>,
  includes?: string,
  message?: string,
) => E = std.assertThrows;

/** Fails unless `run` rejects with an `errorClass` whose message contains `includes`; resolves to the error. */
export const assertRejects: <E extends Error = Error>(
  run: () => PromiseLike<unknown>,
  errorClass?: Class<E>,
  includes?: string,
  message?: string,
) => Promise<E> = std.assertRejects;
