// What users say of a channel's messages, in the form that all languages share: docs/spec/payloads.md, Schemas.

import { krenError } from './errors';
import { isDType, type DType } from './payload';

/** A text of one's own; or what arrays are, with `null` for a dimension of any size. */
export type Schema = string | { readonly dtype: DType; readonly shape: readonly (number | null)[] };

/** @internal */
export function checkSchema(schema: unknown, channel: string): { name: string; text: string } | undefined {
  if (schema === undefined || schema === null) return undefined;
  if (typeof schema === 'string') {
    if (!schema.includes('\0')) return { name: 'text', text: schema };
    throw krenError(
      'KREN_INVALID_OPTION',
      `channel '${channel}': option schema is not valid: its text holds a zero character`,
      channel,
    );
  }
  const { dtype, shape } = schema as { dtype?: unknown; shape?: unknown };
  if (!isDType(dtype)) throw new TypeError('a schema is a text, or { dtype, shape } of arrays');
  const isDim = (dim: unknown): boolean =>
    dim === null || (Number.isSafeInteger(dim) && (dim as number) >= 0);
  if (!Array.isArray(shape) || !shape.every(isDim)) {
    throw new RangeError("a schema's shape is an array of whole numbers, 0 or more, and null for any");
  }
  return { name: 'array', text: `array ${dtype} [${shape.map((dim) => dim ?? '*').join(', ')}]` };
}
