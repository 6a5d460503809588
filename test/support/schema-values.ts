import fc from 'fast-check'

/** The part of JSON Schema that the OpenAPI document uses. */
export interface JsonSchema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly format?: string
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema
  readonly maxItems?: number
  readonly anyOf?: readonly JsonSchema[]
}

/**
 * Returns small values that fit the schema.
 * @throws for a kind of schema it does not know, so that a new one is not left out unnoticed.
 */
export function fitting(schema: JsonSchema): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(fitting))
  switch (schema.type) {
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'object':
      return fittingObject(schema)
    case 'array':
      return fc.array(fitting(schema.items ?? {}), { maxLength: Math.min(schema.maxItems ?? 3, 3) })
    case 'integer': {
      const { min, max } = boundsOf(schema)
      return fc.integer({ min, max: Math.min(max, min + 50) })
    }
    case 'string':
      return fittingString(schema)
    case undefined:
    default:
      throw new Error(`no values for ${JSON.stringify(schema)}`)
  }
}

/** Returns values at the bounds of the schema, just inside and just outside. */
export function edgesOf(schema: JsonSchema): readonly unknown[] {
  if (schema.type === 'integer') {
    const { min, max } = boundsOf(schema)
    return [min, min - 1, max, max + 1]
  }
  const { minLength = 0, maxLength = 100 } = schema
  return [minLength - 1, minLength, maxLength, maxLength + 1]
    .filter((length) => length >= 0)
    .map((length) => 'x'.repeat(length))
}

function boundsOf({ minimum, exclusiveMinimum, maximum }: JsonSchema) {
  const min = minimum ?? (exclusiveMinimum === undefined ? 0 : exclusiveMinimum + 1)
  return { min, max: maximum ?? Number.MAX_SAFE_INTEGER }
}

function fittingObject({ properties = {}, required = [] }: JsonSchema): fc.Arbitrary<unknown> {
  const values = Object.entries(properties).map(([name, schema]) => [name, fitting(schema)])
  const model = Object.fromEntries(values) as Record<string, fc.Arbitrary<unknown>>
  return fc.record(model, { requiredKeys: [...required] })
}

const instants = ['2026-01-01T00:00:00Z', '2030-06-01T12:00:00+02:00', '2099-01-01T00:00:00Z']

function fittingString(schema: JsonSchema): fc.Arbitrary<string> {
  const { format, pattern, minLength = 0, maxLength = 20 } = schema
  if (format === 'uuid') return fc.uuid()
  if (format === 'date-time') return fc.constantFrom(...instants)
  if (format === 'email') return fc.uuid().map((id) => `${id}@example.com`)
  const fits = new RegExp(pattern ?? '')
  // Text is drawn and looked at: from a pattern of all characters but some it would take seconds.
  if (pattern === undefined || schema.maxLength !== undefined) {
    return fc
      .string({ minLength: Math.max(minLength, 1), maxLength: Math.min(maxLength, 20) })
      .filter((text) => fits.test(text))
  }
  return fc.stringMatching(fits)
}
