import type { JsonSchema } from './schema-values.ts'

/** An operation of the OpenAPI document as tests read it. */
export interface Operation {
  /** The method as in the request line. */
  readonly method: string
  readonly path: string
  readonly access: 'anyone' | 'shopper' | 'admin'
  readonly operationId: string
  readonly statuses: readonly number[]
  readonly parameters: readonly Parameter[]
  readonly takesBody: boolean
  /** The schema of its body; undefined when it takes none. */
  readonly body: JsonSchema | undefined
}

export interface Parameter {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly schema: JsonSchema
}

interface RawOperation {
  readonly operationId: string
  readonly security?: readonly Readonly<Record<string, unknown>>[]
  readonly responses: Readonly<Record<string, unknown>>
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: {
    readonly content: { readonly 'application/json': { readonly schema: JsonSchema } }
  }
}

export function operationsOf(document: unknown): readonly Operation[] {
  const { paths } = document as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, RawOperation>>>>
  }
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, raw]) => ({
      method: method.toUpperCase(),
      path,
      access: accessOf(raw),
      operationId: raw.operationId,
      statuses: Object.keys(raw.responses).map(Number),
      parameters: raw.parameters ?? [],
      takesBody: raw.requestBody !== undefined,
      body: raw.requestBody?.content['application/json'].schema,
    })),
  )
}

function accessOf({ security = [] }: RawOperation): Operation['access'] {
  const [scheme] = security.flatMap((each) => Object.keys(each))
  return scheme === 'shopper' || scheme === 'admin' ? scheme : 'anyone'
}
