import type { Admin } from './contender.ts'
import type { DatabaseWork } from './result.ts'

/** The part of the audit's answer that the bench reads. */
interface Audit {
  readonly invariants: readonly { readonly id: string; readonly violations: number }[]
  readonly unchecked: readonly string[]
}

/** Audits and returns violated and unchecked invariants as text. */
export async function auditFailures({ origin, token }: Admin): Promise<readonly string[]> {
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(`${origin}/v1/admin/audit`, { headers })
  if (!response.ok) return [`the audit answered ${response.status}: ${await response.text()}`]
  const { invariants, unchecked } = (await response.json()) as Audit
  const violated = invariants.filter(({ violations }) => violations > 0)
  return [
    ...violated.map(({ id, violations }) => `audit: ${id} violated ${violations} times`),
    ...unchecked.map((what) => `audit: not checked: ${what}`),
  ]
}

/** Adds stock for the sold units, so that `units` are on sale or held. */
export async function restock(admin: Admin, productId: number, units: number): Promise<void> {
  const { available, held } = (await (
    await fetch(`${admin.origin}/v1/products/${productId}/stock`)
  ).json()) as { readonly available: number; readonly held: number }
  const adjustBy = units - available - held
  if (adjustBy <= 0) return
  const response = await fetch(`${admin.origin}/v1/admin/products/${productId}/stock`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${admin.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ adjustBy, reason: 'sold out in the benchmark' }),
  })
  const said = await response.text()
  if (!response.ok) throw new Error(`restocking was answered ${response.status}: ${said}`)
}

const counters = [
  ['statements', /^holdfast_database_statements_total(?:\{[^}]*\})? (\d+)$/gm],
  ['requests', /^holdfast_reserve_requests_total\{[^}]*asked="database"[^}]*\} (\d+)$/gm],
] as const

/** Sums the database work of all processes so far; undefined when one is gone. */
export async function databaseWork({ everywhere }: Admin): Promise<DatabaseWork | undefined> {
  const texts = await Promise.all(everywhere.map(readMetrics))
  return texts.includes('') ? undefined : databaseWorkIn(texts.join('\n'))
}

export function databaseWorkIn(metrics: string): DatabaseWork {
  for (const [unit, pattern] of counters) {
    const found = [...metrics.matchAll(pattern)]
    const count = found.reduce((sum, [, value]) => sum + Number(value), 0)
    if (found.length > 0) return { unit, count }
  }
  return { unit: 'requests', count: 0 }
}

/** Add-to-cart requests held open by the API node. */
export async function pendingReplies({ origin }: Admin): Promise<number> {
  const text = await readMetrics(origin)
  return Number(/^holdfast_pending_replies (\d+)$/m.exec(text)?.[1])
}

export async function readMetrics(origin: string): Promise<string> {
  try {
    const response = await fetch(`${origin}/metrics`)
    return await response.text()
  } catch {
    return ''
  }
}
