import { readDecimal, readFlags, readWholeNumber } from '../scripts/command-line.ts'
import { canonicalScale, smokeScale, type Scale } from './scale.ts'

export interface Options {
  readonly mode: 'canonical' | 'trial' | 'soak' | 'smoke'
  readonly scale: Scale
  /** Cells whose id contains one of these; all when empty. */
  readonly only: readonly string[]
  /** The folder for CPU profiles of our processes; none are written when undefined. */
  readonly profileFolder: string | undefined
}

export const usage = `Usage: npm run bench [-- flags]

All contenders in turn, on this machine, with the same load generator, several rounds. Without flags
it is the canonical run and writes docs/benchmarks.md. With flags it only prints.

  --only <id,id>       cells whose id contains one of these, e.g. plenty/nsq or sold-out
  --rounds <n>         rounds (default ${canonicalScale.rounds}; medians are taken over them)
  --seconds <s>        length of the measured window (default ${canonicalScale.seconds})
  --soak <minutes>     instead: a storm of that length on embedded and on nsq, and whether it left
                       anything behind: heap, descriptors, timers, memory
  --cpu-prof <folder>  Holdfast's processes write CPU profiles there
  --smoke              everything once and tiny: checks that it works, measures nothing
  --help               this text

Exit code: 0 done and every check passed, 1 a check failed, 2 wrong usage or it cannot run here.`

const flags = {
  only: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  soak: { type: 'string' },
  'cpu-prof': { type: 'string' },
  smoke: { type: 'boolean', default: false },
} as const

/**
 * Reads the command line.
 * @throws UsageError with what is wrong in it.
 */
export function readOptions(args: readonly string[]): Options {
  const values = readFlags(args, flags)
  const base = values.smoke ? smokeScale : canonicalScale
  const soakMinutes = readDecimal('soak', values.soak, { min: 0.1, max: 1_440 })
  const soak = soakMinutes === undefined ? base.soak : { ...base.soak, seconds: soakMinutes * 60 }
  return {
    mode: modeOf(args, values),
    scale: {
      ...base,
      soak,
      rounds: readWholeNumber('rounds', values.rounds, { min: 1, max: 99 }) ?? base.rounds,
      seconds: readDecimal('seconds', values.seconds, { min: 0.1, max: 600 }) ?? base.seconds,
    },
    only: values.only?.split(',').filter((part) => part !== '') ?? [],
    profileFolder: values['cpu-prof'],
  }
}

function modeOf(
  args: readonly string[],
  values: { readonly smoke: boolean; readonly soak?: string },
): Options['mode'] {
  if (values.smoke) return 'smoke'
  if (values.soak !== undefined) return 'soak'
  return args.length === 0 ? 'canonical' : 'trial'
}
