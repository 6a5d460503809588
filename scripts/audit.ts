import { randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createAudit, type AuditReport } from '../src/audit/audit.ts'
import { systemClock } from '../src/clock.ts'
import { loadConfig, readEnvironment } from '../src/config.ts'
import { openSqliteReader } from '../src/db/sqlite/sqlite-reader.ts'
import { createHttpProvider } from '../src/payments/http/http-provider.ts'
import { openSimulatedReader } from '../src/payments/simulator/ledger-reader.ts'

/**
 * `npm run audit`: every invariant of the live database, and its money against the provider's books.
 * Exit code 0 when all of it holds, 1 when something is violated, 2 when it could not be checked.
 */
const usage = `usage: npm run audit [-- --database data/holdfast.db]
  [--provider data/payment-simulator.db | http://127.0.0.1:4242] [--json]`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      database: { type: 'string' },
      provider: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  })
  const config = loadConfig(readEnvironment(), () => randomBytes(24).toString('base64url'))
  const path = values.database ?? config.databasePath
  const where = values.provider ?? config.paymentProviderUrl ?? config.paymentSimulatorPath
  if (!isFile(path)) throw new Error(`there is no database at ${path}`)
  const startedAt = systemClock.monotonic()
  const report = await audit(path, where)
  const seconds = (systemClock.monotonic() - startedAt) / 1000
  if (values.json) console.log(JSON.stringify(asJson(report, seconds), null, 2))
  else console.log(asText(report, seconds))
  if (!report.holds) return 1
  return report.unchecked.length > 0 ? 2 : 0
}

async function audit(path: string, where: string): Promise<AuditReport> {
  const clock = systemClock
  const database = openSqliteReader(path)
  try {
    if (/^https?:/.test(where)) {
      const provider = createHttpProvider({ url: where, clock })
      return await createAudit({ database, provider, clock })()
    }
    if (!isFile(where)) throw new Error(`there is no provider's ledger at ${where}`)
    const provider = await openSimulatedReader({ path: where, clock })
    return await createAudit({ database, provider, clock })().finally(() => provider.close())
  } finally {
    await database.close()
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

const checkedAt = (report: AuditReport): string => new Date(report.checkedAt).toISOString()

function asJson(report: AuditReport, seconds: number): unknown {
  const { holds, invariants, unchecked } = report
  return { holds, checkedAt: checkedAt(report), seconds, invariants, unchecked }
}

function asText(report: AuditReport, seconds: number): string {
  const lines = report.invariants.flatMap(({ id, title, violations, examples }) => [
    `${violations === 0 ? 'holds   ' : 'VIOLATED'}  ${id.padEnd(4)} ${title}`,
    ...(violations === 0 ? [] : [`          ${violations} violations, such as:`]),
    ...examples.map((example) => `          ${JSON.stringify(example)}`),
  ])
  const unchecked = report.unchecked.map((what) => `UNCHECKED ${what}`)
  return [...lines, ...unchecked, `${checkedAt(report)}, ${seconds.toFixed(1)} s`].join('\n')
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  console.error(usage)
  process.exitCode = 2
}
