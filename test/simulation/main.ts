import { readOptions, usage, UsageError, type Options } from './options.ts'
import { describeFailure } from './report.ts'
import { simulate } from './run.ts'

/**
 * `npm run simulate` plays one run after the other until one fails, and prints a line this often.
 */
const progressEveryMs = 10_000

async function main({ seed: firstSeed, runs, steps }: Options): Promise<number> {
  const startedAt = performance.now()
  const perSecond = (done: number): string =>
    ((done / (performance.now() - startedAt)) * 1_000).toFixed(1)
  say(`Seeds from ${firstSeed}, ${runs} runs`)
  let saidAt = startedAt
  for (let done = 0; done < runs; done += 1) {
    const result = await simulate(firstSeed + done, steps === 'all' ? say : undefined)
    if (result.violations.length > 0) {
      say(describeFailure(result))
      return 1
    }
    if (runs === 1) say(`${result.steps} steps, hash ${result.hash}`)
    if (performance.now() - saidAt < progressEveryMs) continue
    saidAt = performance.now()
    say(`${done + 1} of ${runs} runs, ${perSecond(done + 1)} per second`)
  }
  say(`Everything held in ${runs} runs, ${perSecond(runs)} per second`)
  return 0
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

try {
  const options = readOptions(process.argv.slice(2))
  if (options.kind === 'help') say(usage)
  else process.exitCode = await main(options)
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\n\n${usage}\n`)
  process.exitCode = 2
}
