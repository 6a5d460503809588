import { describe, expect, it } from 'vitest'
import { variableNames } from './environment.ts'
import { misspeltVariables, unknownInFile } from './misspelt.ts'

/** Variables that shells, desktops, CI services, orchestrators and Node's own tools set. */
const theirs = `
  PATH HOME USER LOGNAME SHELL PWD OLDPWD TERM LANG LANGUAGE LC_ALL TZ EDITOR VISUAL PAGER DISPLAY HOSTNAME HOSTTYPE
  MACHTYPE OSTYPE SHLVL MAIL TMPDIR TEMP TMP PS1 PS2 IFS UID EUID COLUMNS LINES COLORTERM TERM_PROGRAM LS_COLORS
  SSH_AUTH_SOCK SSH_CONNECTION SSH_TTY XDG_RUNTIME_DIR XDG_SESSION_ID DBUS_SESSION_BUS_ADDRESS WAYLAND_DISPLAY
  CI GITHUB_ACTIONS GITHUB_TOKEN GITHUB_REF RUNNER_OS GITLAB_CI CI_JOB_TOKEN JENKINS_URL BUILD_NUMBER NODE_NAME
  KUBERNETES_PORT KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT KUBERNETES_PORT_443_TCP_ADDR POD_NAME POD_IP
  DOCKER_HOST COMPOSE_PROJECT_NAME DYNO INVOCATION_ID JOURNAL_STREAM NOTIFY_SOCKET LISTEN_FDS MAINPID
  AWS_REGION AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY GOOGLE_APPLICATION_CREDENTIALS WEBSITE_HOSTNAME
  NODE NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS NODE_VERSION YARN_VERSION NVM_DIR NVM_BIN INIT_CWD
  npm_config_user_agent npm_lifecycle_event npm_package_name npm_execpath npm_node_execpath npm_command
  http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY SSL_CERT_FILE GOPATH GOROOT GOPROXY
  JAVA_HOME PYTHONPATH VIRTUAL_ENV DATABASE_URL REDIS_URL SECRET_KEY_BASE NSQD_BIN NSQLOOKUPD_BIN REQUIRE_NSQD
  HOLDFAST_URL HOLDFAST_SEED _ POSTGRES_PASSWORD LOGS HOSTALIASES HOST_IP`
  .trim()
  .split(/\s+/)

const set = (...names: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(names.map((name) => [name, 'x']))

describe('a misspelt variable of the environment', () => {
  it.each([
    ['PROT', 'PORT'],
    ['PORTT', 'PORT'],
    ['port', 'PORT'],
    ['HSOT', 'HOST'],
    ['ROEL', 'ROLE'],
    ['NODE_EVN', 'NODE_ENV'],
    ['ADMIN_TOKN', 'ADMIN_TOKEN'],
    ['JWT_SECRETE', 'JWT_SECRET'],
    ['NSQD_TCP_ADDRESS', 'NSQD_TCP_ADDRESSES'],
    ['ADD_TO_CARD_WAIT_MS', 'ADD_TO_CART_WAIT_MS'],
    ['DATABASEPATH', 'DATABASE_PATH'],
    ['hold_seconds', 'HOLD_SECONDS'],
  ])('%s is named, and %s as the one that is meant', (name, meant) => {
    expect(misspeltVariables(set(name))).toEqual([
      expect.stringMatching(new RegExp(`^${name}: .*, ${meant} is probably meant`)),
    ])
  })

  it('is found for every variable of ours when two letters are swapped', () => {
    const swapped = variableNames.map((name) => `${name[1] ?? ''}${name[0] ?? ''}${name.slice(2)}`)
    for (const name of swapped) expect(misspeltVariables(set(name))).toHaveLength(1)
  })

  it('is not suspected in what others set', () => {
    expect(misspeltVariables(set(...theirs))).toEqual([])
    expect(misspeltVariables(process.env)).toEqual([])
  })

  it('is not suspected beside the right one, or without a value', () => {
    expect(misspeltVariables(set('PORT', 'PORTS', 'PORT0'))).toEqual([])
    expect(misspeltVariables({ PROT: '', HSOT: undefined })).toEqual([])
  })

  it('never has its value shown', () => {
    expect(misspeltVariables({ JWT_SECRETE: 'planted-canary' }).join()).not.toContain('planted')
  })
})

describe('a name in .env', () => {
  it('is refused when no program reads it, beside the right one, too', () => {
    expect(unknownInFile(['PORT', 'PROT', 'TIMEOUT', 'HOLDSECONDS'])).toEqual([
      expect.stringMatching(/^PROT in \.env: .*PORT is probably meant$/),
      expect.stringMatching(/^TIMEOUT in \.env: .*see \.env\.example$/),
      expect.stringMatching(/^HOLDSECONDS in \.env: .*HOLD_SECONDS is probably meant$/),
    ])
  })

  it('is taken when it is ours, or for Docker Compose, Node or a script of ours', () => {
    expect(unknownInFile(variableNames)).toEqual([])
    expect(unknownInFile(['COMPOSE_PROJECT_NAME', 'NODE_OPTIONS', 'NSQD_BIN', 'TZ'])).toEqual([])
  })
})
