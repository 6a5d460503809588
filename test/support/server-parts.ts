import type { Answer, Call, CallOptions } from './http.ts'

/** Add-to-cart has two ways in: in front of Express, and through it, where a trailing slash leads. */
export interface Door {
  readonly name: string
  readonly path: string
}

export const fastLaneDoor: Door = { name: 'the fast lane', path: '/v1/cart/items' }
export const expressDoor: Door = { name: 'Express', path: '/v1/cart/items/' }
export const doors: readonly Door[] = [fastLaneDoor, expressDoor]

export interface Parcel extends CallOptions {
  readonly key?: string | undefined
}

/** Sends an add-to-cart through one door. */
export function enter(call: Call, door: Door, { key, headers, ...rest }: Parcel): Promise<Answer> {
  const keyHeader = key === undefined ? {} : { 'idempotency-key': key }
  return call('POST', door.path, { ...rest, headers: { ...keyHeader, ...headers } })
}
