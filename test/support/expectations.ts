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

interface Audit {
  readonly holds: boolean
  readonly invariants: readonly { readonly violations: number }[]
  readonly unchecked: readonly string[]
}

/**
 * Expects that every invariant holds and was checked. A call during a running audit gets the report
 * of that one, which a test's clock may have run out of time: then this asks again.
 */
export async function expectAuditClean(call: Call, withinMs = 60_000): Promise<void> {
  let audit = await readAudit(call)
  const deadline = performance.now() + withinMs
  while (audit.unchecked.length > 0 && performance.now() < deadline) audit = await readAudit(call)
  expect(audit.invariants.filter(({ violations }) => violations > 0)).toEqual([])
  expect(audit.unchecked).toEqual([])
  expect(audit.holds).toBe(true)
}

async function readAudit(call: Call): Promise<Audit> {
  const { body } = await call('GET', '/v1/admin/audit', { token: testAdminToken })
  return body as unknown as Audit
}
