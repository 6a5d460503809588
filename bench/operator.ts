import type { Admin } from './contender.ts'

/** What an operator of Holdfast can ask while it runs. */
interface Audit {
  readonly holds: boolean
  readonly invariants: readonly { readonly id: string; readonly violations: number }[]
}

/** Violated invariants, as text. */
export async function auditFailures({ origin, token }: Admin): Promise<readonly string[]> {
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(`${origin}/v1/admin/audit`, { headers })
  if (!response.ok) return [`the audit answered ${response.status}: ${await response.text()}`]
  const { holds, invariants } = (await response.json()) as Audit
  if (holds) return []
  const violated = invariants.filter(({ violations }) => violations > 0)
  return violated.map(({ id, violations }) => `audit: ${id} violated ${violations} times`)
}

const askedDatabase = /^holdfast_reserve_requests_total\{[^}]*asked="database"[^}]*\} (\d+)$/gm

/** Requests the consumer has asked the database about; NaN when it is gone. */
export async function databaseAsks({ consumerOrigin }: Admin): Promise<number> {
  const text = await readMetrics(consumerOrigin)
  if (text === '') return Number.NaN
  return [...text.matchAll(askedDatabase)].reduce((sum, [, count]) => sum + Number(count), 0)
}

/** Add-to-cart requests held open by the API node. */
export async function pendingReplies({ origin }: Admin): Promise<number> {
  const text = await readMetrics(origin)
  return Number(/^holdfast_pending_replies (\d+)$/m.exec(text)?.[1])
}

async function readMetrics(origin: string): Promise<string> {
  try {
    const response = await fetch(`${origin}/metrics`)
    return await response.text()
  } catch {
    return ''
  }
}
