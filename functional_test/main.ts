import { printFindings, printTables } from './report.ts'
import { readOptions, usage, UsageError, type Options } from './options.ts'
import { writeReport } from './report-files.ts'
import { runOn } from './session.ts'
import { SetupError } from './setup-error.ts'

/**
 * The process: command line in, tables and verdict out, exit codes. Black box: it knows the documented
 * HTTP contract and nothing else.
 */

const exitCodes = { holds: 0, violated: 1, unusable: 2 } as const

async function main(): Promise<number> {
  try {
    const options = readOptions(process.argv.slice(2), process.env)
    if (options.kind === 'help') {
      print(usage)
      return exitCodes.holds
    }
    return await run(options)
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${usage}`)
    } else if (error instanceof SetupError) {
      console.error(error.message)
    } else {
      throw error
    }
    return exitCodes.unusable
  }
}

async function run(options: Options): Promise<number> {
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

process.exitCode = await main()
