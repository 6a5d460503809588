import { readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { z } from 'zod'
import { startChild } from '../support/processes/child-process.ts'

/** The result of running suites in a tree. */
export type Verdict =
  | { readonly kind: 'green'; readonly tests: number }
  | {
      readonly kind: 'red'
      readonly suite: string
      readonly title: string
      /** The failed expectation, in one line. */
      readonly failure: string
    }
  /** No result: the program does not load, or the suites did not end. */
  | { readonly kind: 'untested'; readonly reason: string }

export interface SuiteRun {
  readonly tree: string
  /** Paths from the top of the tree. */
  readonly suites: readonly string[]
  readonly workersMax: number
  readonly timeoutMs: number
}

const reportSchema = z.object({
  numPassedTests: z.int(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(
        z.object({
          fullName: z.string(),
          status: z.string(),
          failureMessages: z.array(z.string()).optional(),
        }),
      ),
    }),
  ),
})
type Report = z.infer<typeof reportSchema>

/**
 * Matches errors of a program that does not load: then the edit was wrong, and no guard was
 * noticed.
 */
const wrongEdit =
  /SyntaxError|ReferenceError|syntax error|no such column|no such table|Too (?:many|few) parameter/

/** Runs the suites of a tree until the first test fails. */
export async function runSuites(run: SuiteRun): Promise<Verdict> {
  const { tree, suites, workersMax, timeoutMs } = run
  const reportPath = join(tree, 'report.json')
  rmSync(reportPath, { force: true })
  const flags = ['--bail=1', `--maxWorkers=${workersMax}`, '--project=unit', '--reporter=json']
  const child = startChild({
    name: 'vitest',
    command: [
      process.execPath,
      'node_modules/vitest/vitest.mjs',
      'run',
      ...suites,
      ...flags,
      `--outputFile=${reportPath}`,
    ],
    folder: tree,
    environment: cleanEnvironment(),
  })
  const endIt = (): void => {
    child.signal('SIGKILL')
  }
  // This handler comes first, because a later one removes the tree.
  process.prependOnceListener('exit', endIt)
  const { code, signal } = await child.endsWithin(timeoutMs)
  process.off('exit', endIt)
  if (signal !== null) return untested(`no end within ${timeoutMs / 1000} s`)
  const report = readReport(reportPath)
  return report === undefined ? untested(child.output()) : judge(report, { tree, code })
}

/** Returns the environment without the variables of an outer test run. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV$)/.test(name))
  return Object.fromEntries(kept)
}

function readReport(path: string): Report | undefined {
  try {
    return reportSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return undefined
  }
}

export function judge(
  report: Report,
  { tree, code }: { readonly tree: string; readonly code: number | null },
): Verdict {
  for (const { name, status, message, assertionResults } of report.testResults) {
    const failed = assertionResults.find((each) => each.status === 'failed')
    if (failed !== undefined) {
      const why = (failed.failureMessages ?? []).join('\n')
      if (wrongEdit.test(why)) return untested(why)
      const [failure = ''] = why.split('\n')
      return { kind: 'red', suite: relative(tree, name), title: failed.fullName, failure }
    }
    if (status === 'failed') return untested(message)
  }
  if (code !== 0) return untested('errors outside of any test')
  if (report.numPassedTests === 0) return untested('no test was run')
  return { kind: 'green', tests: report.numPassedTests }
}

function untested(reason: string): Verdict {
  return { kind: 'untested', reason: reason.trim().slice(0, 1_000) }
}
