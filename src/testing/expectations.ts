import { expect } from 'vitest'
import type { Call } from './http.ts'
import { testAdminToken } from './start-app.ts'

export interface Stock {
  readonly allotment: number
  readonly available: number
  readonly held: number
  readonly sold: number
}

export async function readStock(call: Call, productId: number): Promise<Stock> {
  const { body } = await call('GET', `/v1/products/${productId}/stock`)
  return body as unknown as Stock
}

/** Every invariant the server can check holds, now. */
export async function expectAuditClean(call: Call): Promise<void> {
  const { body } = await call('GET', '/v1/admin/audit', { token: testAdminToken })
  const audit = body as unknown as { holds: boolean; invariants: { violations: number }[] }
  expect(audit.invariants.filter(({ violations }) => violations > 0)).toEqual([])
  expect(audit.holds).toBe(true)
}
