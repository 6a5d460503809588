import { parse } from 'yaml'
import { readText } from './documents.ts'

/** A service of docker-compose.yml, for tests that compare it with the program without Docker. */
export interface ComposeService {
  readonly build?: string
  readonly image: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck: { readonly test: readonly string[] }
}

export interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly volumes: Readonly<Record<string, unknown>>
}

export function readCompose(): Compose {
  return parse(readText('docker-compose.yml'), { merge: true }) as Compose
}

/** The program's own services, in the order they are started. */
export const programServices = ['worker', 'api-1', 'api-2'] as const

export function serviceOf(compose: Compose, name: string): ComposeService {
  const service = compose.services[name]
  if (service === undefined) throw new Error(`docker-compose.yml has no service ${name}`)
  return service
}

/**
 * Returns the environment of the container, with `${NAME:-default}` replaced by values of `shell`.
 */
export function environmentOf(
  service: ComposeService,
  shell: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const entries = Object.entries(service.environment ?? {}).map(([name, value]) => [
    name,
    value.replace(/^\$\{([A-Z_]+):-(.*)\}$/, (_, variable: string, fallback: string) => {
      const given = shell[variable]
      return given === undefined || given === '' ? fallback : given
    }),
  ])
  return Object.fromEntries(entries) as Record<string, string>
}

/** The flags after the program's name: `--name=value`. */
export function flagsOf({ command = [] }: ComposeService): Readonly<Record<string, string>> {
  return Object.fromEntries(
    command.slice(1).map((flag) => {
      const match = /^--([a-z-]+)=(.+)$/.exec(flag)
      if (match === null) throw new Error(`not a flag: ${flag}`)
      return [match[1], match[2]]
    }),
  ) as Record<string, string>
}
