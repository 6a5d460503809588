import { runCommand, unusableExitCode } from '../scripts/command-line.ts'
import { printFindings, printTables } from './report.ts'
import { readOptions, usage } from './options.ts'
import { writeReport } from './report-files.ts'
import { runOn } from './session.ts'
import { SetupError } from './setup-error.ts'

/**
 * Runs `npm run functional-test`: reads the command line, prints tables and a verdict, and ends
 * with one of these codes. It is a black box and knows only the documented HTTP contract.
 */

const exitCodes = { holds: 0, violated: 1, unusable: unusableExitCode } as const

async function main(args: readonly string[]): Promise<number> {
  try {
    return await run(args)
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    console.error(error.message)
    return exitCodes.unusable
  }
}

async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args, process.env)
  print(`seed ${options.seed} (repeat the personas with --seed ${options.seed})`)
  const { summary, output } = await runOn(options, print)
  print(`\n${printTables(summary)}\n\n${printFindings(summary)}`)
  if (options.reportFolder !== null) {
    const files = await writeReport(options.reportFolder, summary)
    print(`\nreport: ${files.join(', ')}`)
  }
  const holds = summary.findings.every((finding) => finding.violations === 0)
  if (!holds && output !== '') print(`\nthe program said:\n${output}`)
  return holds ? exitCodes.holds : exitCodes.violated
}

function print(text: string): void {
  console.log(text)
}

await runCommand({ usage, run: main })
