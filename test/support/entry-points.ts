import type { Answer, Call, CallOptions } from './http.ts'

/** Add-to-cart has two ways in: in front of Express, and through it, where a trailing slash leads. */
export interface EntryPoint {
  readonly name: string
  readonly path: string
}

export const fastPathEntry: EntryPoint = { name: 'the fast path', path: '/v1/cart/items' }
export const expressEntry: EntryPoint = { name: 'Express', path: '/v1/cart/items/' }
export const entryPoints: readonly EntryPoint[] = [fastPathEntry, expressEntry]

export interface AddToCartCall extends CallOptions {
  readonly key?: string | undefined
}

/** Sends an add-to-cart through one entryPoint. */
export function sendThrough(
  call: Call,
  entryPoint: EntryPoint,
  { key, headers, ...rest }: AddToCartCall,
): Promise<Answer> {
  const keyHeader = key === undefined ? {} : { 'idempotency-key': key }
  return call('POST', entryPoint.path, { ...rest, headers: { ...keyHeader, ...headers } })
}
