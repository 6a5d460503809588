import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nsqdFlags } from '../../scripts/nsqd-process.ts'
import { createReadiness } from '../../src/api/http/readiness.ts'
import { healthRoutes } from '../../src/api/routes/health.ts'
import { variableNames } from '../../src/config/environment.ts'
import { ConfigError, loadConfig } from '../../src/config.ts'
import {
  environmentOf,
  flagsOf,
  programServices,
  readCompose,
  serviceOf,
  type ComposeService,
} from '../support/compose.ts'
import { exampleEnvironment, readText, root } from '../support/documents.ts'

const compose = readCompose()
const service = (name: string): ComposeService => serviceOf(compose, name)
const makeSecret = (): string => 'made-for-this-run-and-never-configured'
const hostOf = (address = ''): string => address.split(':')[0] ?? ''
const hasService = (name: string): boolean => compose.services[name] !== undefined

describe('docker-compose.yml', () => {
  it('starts nsqlookupd, nsqd, nsqadmin, a worker and two API nodes', () => {
    const names = ['nsqlookupd', 'nsqd', 'nsqadmin', 'worker', 'api-1', 'api-2']
    expect(Object.keys(compose.services).sort()).toEqual(names.sort())
    const roles = programServices.map((name) => environmentOf(service(name))['ROLE'])
    expect(roles).toEqual(['worker', 'api', 'api'])
  })

  it('publishes ports on 127.0.0.1 only', () => {
    const ports = Object.values(compose.services).flatMap((each) => each.ports ?? [])
    expect(ports.map(hostOf)).toEqual(['127.0.0.1', '127.0.0.1', '127.0.0.1'])
  })

  it('waits only for services that have a health check', () => {
    for (const { depends_on: needed = {} } of Object.values(compose.services)) {
      for (const [name, { condition }] of Object.entries(needed)) {
        expect(condition).toBe('service_healthy')
        expect(service(name).healthcheck.test[0]).toBe('CMD')
      }
    }
  })

  it('keeps data in named volumes it declares', () => {
    const mounts = Object.values(compose.services).flatMap((each) => each.volumes ?? [])
    expect(new Set(mounts.map(hostOf))).toEqual(new Set(Object.keys(compose.volumes)))
    for (const name of programServices) {
      expect(service(name).volumes).toEqual(['holdfast-data:/data'])
      const { DATABASE_PATH, PAYMENT_SIMULATOR_PATH } = environmentOf(service(name))
      expect(DATABASE_PATH).toMatch(/^\/data\//)
      expect(PAYMENT_SIMULATOR_PATH).toMatch(/^\/data\//)
    }
  })
})

/** Variables that the file or the image sets, and why nobody else may. */
const decidedHere: Readonly<Record<string, string>> = {
  ROLE: 'the service is the role',
  NODE_ID: 'every process has a name of its own',
  HOST: 'the image listens on every address of its container',
  PORT: 'the published port leads there',
  DATABASE_PATH: 'the volume is mounted there',
  PAYMENT_SIMULATOR_PATH: 'the volume is mounted there',
  BROKER: 'the roles need nsqd',
  NSQD_TCP_ADDRESSES: 'the service nsqd',
  NSQD_HTTP_ADDRESSES: 'the service nsqd',
  NSQLOOKUPD_HTTP_ADDRESSES: 'the service nsqlookupd',
}

describe.each(programServices)('the service %s', (name) => {
  const { build, command, environment = {}, healthcheck } = service(name)

  it('sets only variables there are, to values the program takes', () => {
    const known = Object.keys(exampleEnvironment())
    expect(Object.keys(environment).filter((each) => !known.includes(each))).toEqual([])
    expect(() => loadConfig(environmentOf(service(name)), makeSecret)).not.toThrow()
  })

  it('passes every variable of the program through, but for those it decides itself', () => {
    const fixed = variableNames.filter((each) => environment[each]?.includes('${') !== true)
    expect(fixed.sort()).toEqual(Object.keys(decidedHere).sort())
    const shell = Object.fromEntries(variableNames.map((each) => [each, `shell-${each}`]))
    const seen = environmentOf(service(name), shell)
    for (const each of variableNames.filter((one) => !fixed.includes(one))) {
      expect(seen[each]).toBe(`shell-${each}`)
    }
  })

  it('takes from the shell what it takes by the same name, with the default of the program', () => {
    const development = { ADMIN_TOKEN: 'dev-admin-token', JWT_SECRET: 'dev-jwt-secret' }
    const defaults: Record<string, string> = { ...exampleEnvironment(), ...development }
    for (const [variable, value] of Object.entries(environment)) {
      if (!value.includes('$')) continue
      expect(value).toBe(`\${${variable}:-${defaults[variable] ?? ''}}`)
    }
  })

  it('does not start in production with the secrets written there', () => {
    const production = environmentOf(service(name), { NODE_ENV: 'production' })
    const start = (): unknown => loadConfig(production, makeSecret)
    expect(start).toThrow(ConfigError)
    for (const secret of ['ADMIN_TOKEN', 'JWT_SECRET', 'MESSAGE_KEYS']) {
      expect(start).toThrow(secret)
    }
  })

  it('finds nsqd and nsqlookupd by the names of their services', () => {
    const { nsqdTcpAddresses, nsqdHttpAddresses, nsqlookupdHttpAddresses } = loadConfig(
      environmentOf(service(name)),
      makeSecret,
    )
    expect(nsqdTcpAddresses).toEqual(['nsqd:4150'])
    expect(nsqdHttpAddresses).toEqual(['nsqd:4151'])
    expect(nsqlookupdHttpAddresses).toEqual(['nsqlookupd:4161'])
  })

  it('is the image of the Dockerfile, asked for its health on a route there is', () => {
    expect(build).toBe('.')
    expect(command).toBeUndefined()
    const readiness = createReadiness({})
    const routes = healthRoutes({ readiness }).map(({ path }) => path)
    const [, port = '', path = ''] = /127\.0\.0\.1:(\d+)(\/\w+)/.exec(healthcheck.test.join()) ?? []
    expect(port).toBe(environment['PORT'])
    expect(routes).toContain(path)
  })
})

it('every process has a name of its own', () => {
  const ids = programServices.map((name) => environmentOf(service(name))['NODE_ID'])
  expect(new Set(ids).size).toBe(programServices.length)
})

describe('the NSQ services', () => {
  const nsq = ['nsqlookupd', 'nsqd', 'nsqadmin']

  it.each(nsq)('%s is that program of the image we test against', (name) => {
    expect(service(name).image).toBe('nsqio/nsq:v1.3.0')
    expect(service(name).command?.[0]).toBe(`/${name}`)
    expect(service(name).healthcheck.test.at(-1)).toMatch(/\/ping$/)
  })

  it('run nsqd with the flags every other nsqd of ours has', () => {
    const { 'data-path': dataPath, ...flags } = flagsOf(service('nsqd'))
    const { 'broadcast-address': own, 'lookupd-tcp-address': lookupd, ...rest } = flags
    expect(rest).toEqual(nsqdFlags)
    expect(own).toBe('nsqd')
    expect(hasService(hostOf(lookupd))).toBe(true)
    expect(service('nsqd').volumes).toEqual([`nsqd-data:${dataPath ?? ''}`])
    expect(hasService(hostOf(flagsOf(service('nsqadmin'))['lookupd-http-address']))).toBe(true)
  })
})

describe('Dockerfile', () => {
  const text = readText('Dockerfile')
  const [build = '', shipped = ''] = text.split(/^FROM node:24-bookworm-slim.*\n/m).slice(1)

  it('runs the compiled program as nobody special', () => {
    expect(/^CMD .*$/m.exec(text)?.[0]).toBe('CMD ["node", "dist/main.js"]')
    expect(/^USER (.*)$/m.exec(text)?.[1]).toBe('node')
    const { main } = JSON.parse(readText('package.json')) as { readonly main: string }
    expect(main).toBe('dist/main.js')
  })

  it('copies what exists and is not kept out by .dockerignore', () => {
    const allowed = [...readText('.dockerignore').matchAll(/^!(.+)$/gm)].map(([, name]) => name)
    const copied = [...`${build}${shipped}`.matchAll(/^COPY (?!--from)(.+)$/gm)]
      .flatMap(([, words = '']) => words.split(' ').slice(0, -1))
      .map((name) => name.replace('./', ''))
    expect(copied).toContain('migrations')
    expect(copied.filter((name) => !existsSync(join(root, name)))).toEqual([])
    expect(copied.filter((name) => !allowed.includes(name))).toEqual([])
  })

  it('sets only variables there are, and listens on every address of the container', () => {
    const [, lines = ''] = /^ENV ((?:.*\\\n)*.*)$/m.exec(shipped) ?? []
    const variables = Object.fromEntries(
      [...lines.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value]),
    )
    const known = Object.keys(exampleEnvironment())
    expect(Object.keys(variables).filter((name) => !known.includes(name))).toEqual([])
    expect(loadConfig(variables, makeSecret)).toMatchObject({ host: '0.0.0.0', port: 3000 })
  })
})
