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

/** Fails unless `expression` is falsy. */
export const assertFalse: (expression: unknown, message?: string) => void = std.assertFalse;

/** Fails unless both values are deeply equal. */
export const assertEquals: <T>(actual: T, expected: T, message?: string) => void = std.assertEquals;

/** Fails if both values are deeply equal. */
export const assertNotEquals: <T>(actual: T, expected: T, message?: string) => void =
  std.assertNotEquals;

/** Fails unless both are the same value (`Object.is`). */
export const assertStrictEquals: <T>(
  actual: unknown,
  expected: T,
  message?: string,
) => asserts actual is T = std.assertStrictEquals;

/** Fails if both are the same value (`Object.is`). */
export const assertNotStrictEquals: <T>(actual: T, expected: T, message?: string) => void =
  std.assertNotStrictEquals;

/** Fails if `actual` is null or undefined. */
export const assertExists: <T>(
  actual: T,
  message?: string,
) => asserts actual is NonNullable<T> = std.assertExists;

/** Fails unless `actual` is an instance of `expected`. */
export const assertInstanceOf: <T>(
  actual: unknown,
  expected: Class<T>,
  message?: string,
) => asserts actual is T = std.assertInstanceOf;

/** Fails unless `actual` is greater than `expected`. */
export const assertGreater: <T>(actual: T, expected: T, message?: string) => void =
  std.assertGreater;

/** Fails unless `actual` is greater than or equal to `expected`. */
export const assertGreaterOrEqual: <T>(actual: T, expected: T, message?: string) => void =
  std.assertGreaterOrEqual;

/** Fails unless `actual` is less than `expected`. */
export const assertLess: <T>(actual: T, expected: T, message?: string) => void = std.assertLess;

/** Fails unless `actual` is less than or equal to `expected`. */
export const assertLessOrEqual: <T>(actual: T, expected: T, message?: string) => void =
  std.assertLessOrEqual;

/** Fails unless `actual` and `expected` differ by at most `tolerance` (default: one in 10 million). */
export const assertAlmostEquals: (
  actual: number,
  expected: number,
  tolerance?: number,
  message?: string,
) => void = std.assertAlmostEquals;

/** Fails unless `actual` contains `expected`. */
export const assertStringIncludes: (actual: string, expected: string, message?: string) => void =
  std.assertStringIncludes;

/** Fails unless `actual` matches `pattern`. */
export const assertMatch: (actual: string, pattern: RegExp, message?: string) => void =
  std.assertMatch;

/** Fails if `actual` matches `pattern`. */
export const assertNotMatch: (actual: string, pattern: RegExp, message?: string) => void =
  std.assertNotMatch;

/** Fails unless `actual` holds each element of `expected`, in any order. */
export const assertArrayIncludes: <T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  message?: string,
) => void = std.assertArrayIncludes;

/** Fails unless `actual` has the properties of `expected`, deeply; it may have others. */
export const assertObjectMatch: (
  actual: object,
  expected: object,
  message?: string,
) => void = std.assertObjectMatch;

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

/** Fails always. */
export const fail: (message?: string) => never = std.fail;

/** What a failed assertion throws. */
export const AssertionError: new (message: string) => Error = std.AssertionError;
