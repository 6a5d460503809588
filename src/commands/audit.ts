import { randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { createAudit, type AuditReport } from '../audit/audit.ts'
import { systemClock } from '../clock.ts'
import { readFlags, runCommand } from '../command-line.ts'
import { loadConfig, readEnvironment } from '../config.ts'
import { openSqliteReader } from '../db/sqlite/sqlite-reader.ts'
import { createHttpProvider } from '../payments/http/http-provider.ts'
import { openSimulatedReader } from '../payments/simulator/ledger-reader.ts'
import { StartFailure } from '../start-failure.ts'

const usage = `Usage: npm run audit [-- flags]

Checks every invariant of the database, also of one that is in use, and its money against the payment
provider's books. It only reads.

  --database <file>        the database (default: DATABASE_PATH)
  --provider <file|url>    the ledger of the payment simulator, or the provider over HTTP
                           (default: PAYMENT_PROVIDER_URL, else PAYMENT_SIMULATOR_PATH)
  --json                   one JSON document instead of a line per invariant
  --help                   this text

Exit code: 0 everything holds, 1 something is violated, 2 wrong usage or it could not be checked.`

async function run(args: readonly string[]): Promise<number> {
  const values = readFlags(args, {
    database: { type: 'string' },
    provider: { type: 'string' },
    json: { type: 'boolean', default: false },
  })
  const config = loadConfig(readEnvironment(), () => randomBytes(24).toString('base64url'))
  const path = values.database ?? config.databasePath
  const where = values.provider ?? config.paymentProviderUrl ?? config.paymentSimulatorPath
  if (!isFile(path)) throw new StartFailure(`there is no database at ${path}`)
  const startedAt = systemClock.monotonic()
  const report = await audit(path, where)
  const seconds = (systemClock.monotonic() - startedAt) / 1000
  const text = values.json
    ? JSON.stringify(asJson(report, seconds), null, 2)
    : asText(report, seconds)
  process.stdout.write(`${text}\n`)
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
    if (!isFile(where)) throw new StartFailure(`there is no provider's ledger at ${where}`)
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

await runCommand({ usage, failureExitCode: 2, run })
