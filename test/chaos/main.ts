import type { Finding } from '../../functional_test/judgement.ts'
import { SetupError } from '../../functional_test/setup-error.ts'
import { now } from '../../functional_test/time.ts'
import { runCommand, unusableExitCode } from '../../scripts/command-line.ts'
import { readOptions, usage, type Options } from './options.ts'
import { run } from './run.ts'

/**
 * Runs `npm run chaos`: reads the command line, prints faults and a verdict, and ends with one of
 * these codes.
 */
const exitCodes = { holds: 0, violated: 1, unusable: unusableExitCode } as const

async function main(args: readonly string[]): Promise<number> {
  try {
    return await judged(readOptions(args))
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    console.error(error.message)
    return exitCodes.unusable
  }
}

async function judged(options: Options): Promise<number> {
  const { seed, seconds } = options
  console.log(
    `seed ${seed} (repeat with --seed ${seed} --seconds ${seconds} --bots ${options.bots})`,
  )
  const startedAt = now()
  const say = (line: string): void => {
    console.log(`${((now() - startedAt) / 1_000).toFixed(1).padStart(7)} s  ${line}`)
  }
  const findings = await run(options, say)
  const violated = findings.filter(({ violations }) => violations > 0)
  console.log(['', ...findings.map(lineOf), ''].join('\n'))
  console.log(
    violated.length === 0
      ? `VERDICT: all ${findings.length} hold`
      : `VERDICT: ${violated.length} of ${findings.length} VIOLATED, seed ${seed}`,
  )
  return violated.length === 0 ? exitCodes.holds : exitCodes.violated
}

function lineOf({ id, title, violations, measured, examples }: Finding): string {
  if (violations === 0) return `holds     ${id.padEnd(10)} ${title}`
  const lines = [`VIOLATED  ${id.padEnd(10)} ${title}: ${measured}`, ...examples]
  return lines.join('\n            ')
}

await runCommand({ usage, run: main })
