import { runCommand } from '../../scripts/command-line.ts'
import { readOptions, usage } from './options.ts'
import { describeFailure } from './report.ts'
import { simulate } from './run.ts'

/**
 * `npm run simulate` plays one run after the other until one fails, and prints a line this often.
 */
const progressEveryMs = 10_000

async function main(args: readonly string[]): Promise<number> {
  const { seed: firstSeed, runs, steps } = readOptions(args)
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

await runCommand({ usage, run: main })
