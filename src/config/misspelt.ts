import { variableNames } from './environment.ts'

/**
 * Finds variables that are set under a wrong name, which would silently do nothing. A name in the
 * environment counts only when it is nearly one of ours and ours is not set: a shell, a shop's platform
 * and npm set hundreds of their own. In a `.env` file everything is for this program, unless it is
 * known to be for a tool that reads the file, too.
 */
export type Environment = Readonly<Record<string, string | undefined>>

/** One sentence for each variable of the environment that is probably a misspelt one of ours. */
export function misspeltVariables(environment: Environment): string[] {
  const set = Object.keys(environment).filter((name) => (environment[name] ?? '').trim() !== '')
  return set.flatMap((name) => {
    const meant = nearestVariable(name)
    if (meant === undefined || set.includes(meant) || wellKnown.test(name)) return []
    return [
      `${name}: this program has no such variable, ${meant} is probably meant; unset it, or set ${meant} as well if it belongs to another program`,
    ]
  })
}

/** Names that platforms and images set for others, and that are one or two letters from ours. */
const wellKnown =
  /^(NODE_IP|NODE_OS|ADMIN_HOST|ADMIN_PASS|DATABASE_(PASS|HOST|PORT)|LOGLEVEL|HOSTS|ROLES)$/i

/** Docker Compose reads the same file; Node, npm and our scripts read the environment it ends in. */
const forOthers =
  /^(COMPOSE_|DOCKER_|NODE_OPTIONS$|NODE_EXTRA_CA_CERTS$|NODE_DEBUG$|NO_COLOR$|FORCE_COLOR$|UV_THREADPOOL_SIZE$|TZ$|NSQD_BIN$|NSQLOOKUPD_BIN$|REQUIRE_|DEBUG$|SSL_CERT_|(HTTPS?|NO|ALL)_PROXY$|HOLDFAST_)/

/** One sentence for each name of a `.env` file that no program reads. */
export function unknownInFile(names: readonly string[]): string[] {
  return names.flatMap((name) => {
    if (variableNames.includes(name) || forOthers.test(name)) return []
    const meant = nearestVariable(name)
    const hint = meant === undefined ? 'see .env.example' : `${meant} is probably meant`
    return [`${name} in .env: this program has no such variable, ${hint}`]
  })
}

/** Names of up to this length have neighbours by chance: `PATH` is three edits from `PORT`. */
const shortNameLengthMax = 8

/** The variable of ours that `name` was probably meant to be; undefined for ours and for strangers. */
function nearestVariable(name: string): string | undefined {
  if (variableNames.includes(name)) return undefined
  return variableNames.find((known) => {
    const editsMax = known.length <= shortNameLengthMax ? 1 : 2
    return edits(name.toUpperCase(), known) <= editsMax
  })
}

/**
 * Counts the letters to insert, leave out, replace or swap with the next one until `from` is `to`
 * (optimal string alignment, in O(length × length)).
 */
function edits(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > 2) return Infinity
  let beforeLast: readonly number[] = []
  let last: readonly number[] = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const isSame = from[row - 1] === to[column - 1]
      const isSwap = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      current[column] = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (isSame ? 0 : 1),
        isSwap ? at(beforeLast, column - 2) + 1 : Infinity,
      )
    }
    beforeLast = last
    last = current
  }
  return at(last, to.length)
}

const at = (numbers: readonly number[], index: number): number => numbers[index] ?? Infinity
