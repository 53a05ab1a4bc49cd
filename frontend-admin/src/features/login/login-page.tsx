import {
  Alert,
  Anchor,
  Button,
  Center,
  Paper,
  PasswordInput,
  Stack,
  Text,
  TextInput,
  Title,
} from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { useNavigate, useSearchParams } from 'react-router'
import { $dashboards, dashboards, setCsrfToken } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { RequestFailed, sentenceOf } from '@/api/problem'
import { NewPassword } from '@/components/new-password'
import { rememberLetIn, wasLetIn } from '@/lib/session'
import { localPath } from './next'

type Me = components['schemas']['Me']
type Step = 'name' | 'code' | 'password'

/** Name and password, then the second factor, then a new password where the old one was given. */
export function LoginPage() {
  const [step, setStep] = useState<Step>('name')
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const [search] = useSearchParams()
  const queries = useQueryClient()
  const navigate = useNavigate()
  const next = localPath(search.get('next'))
  useEffect(() => {
    document.title = 'Log in · Mathematricks'
  }, [])
  // Somebody whose password must change, and who comes back with their session, goes on there.
  const me = $dashboards.useQuery(
    'get',
    '/api/v1/me',
    {},
    {
      enabled: wasLetIn(),
      retry: false,
      refetchInterval: false,
      staleTime: Number.POSITIVE_INFINITY,
    },
  )

  function enter(who: Me) {
    rememberLetIn(true)
    if (who.csrf_token) setCsrfToken(who.csrf_token)
    if (who.must_change_password) {
      setName(who.name)
      setStep('password')
      return
    }
    queries.clear()
    void navigate(next, { replace: true })
  }

  useEffect(() => {
    if (me.data && step === 'name') enter(me.data)
  })

  async function logIn(code: string) {
    const body = { name, password, code }
    const { data } = await dashboards.POST('/api/v1/auth/login', { body })
    if (data) enter(data)
  }

  return (
    <Center mih="100dvh" p="md" component="main">
      <Paper withBorder p="lg" w={380} maw="100%">
        <Title order={1} mb={2}>
          Mathematricks Trader
        </Title>
        {step === 'name' && (
          <Credentials
            name={name}
            setName={setName}
            password={password}
            setPassword={setPassword}
            send={() => logIn('')}
            wantsCode={() => setStep('code')}
          />
        )}
        {step === 'code' && <Code send={logIn} back={() => setStep('name')} />}
        {step === 'password' && <FirstPassword name={name} given={password} done={enter} />}
      </Paper>
    </Center>
  )
}

function Credentials(props: {
  name: string
  setName: (name: string) => void
  password: string
  setPassword: (password: string) => void
  send: () => Promise<void>
  wantsCode: () => void
}) {
  async function send() {
    try {
      await props.send()
    } catch (error) {
      if (error instanceof RequestFailed && error.problem.code === 'TOTP_REQUIRED') {
        props.wantsCode()
        return
      }
      throw error
    }
  }
  return (
    <Form action="Log in" send={send} ready={props.name.trim() !== '' && props.password !== ''}>
      <TextInput
        label="Name"
        size="sm"
        value={props.name}
        onChange={(event) => props.setName(event.currentTarget.value)}
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus
        required
      />
      <PasswordInput
        label="Password"
        size="sm"
        value={props.password}
        onChange={(event) => props.setPassword(event.currentTarget.value)}
        autoComplete="current-password"
        required
      />
      <Text fz="xs" c="dimmed">
        The first start printed the password of <b>admin</b>, once. Lost it?{' '}
        <code>python3 scripts/credentials.py password admin</code> on the machine makes another.
      </Text>
    </Form>
  )
}

function Code({ send, back }: { send: (code: string) => Promise<void>; back: () => void }) {
  const [code, setCode] = useState('')
  return (
    <Form action="Go on" send={() => send(code.trim())} ready={code.trim().length >= 6}>
      <TextInput
        label="Code"
        description="Of your authenticator app; or one of your recovery codes."
        size="sm"
        value={code}
        onChange={(event) => setCode(event.currentTarget.value)}
        autoComplete="one-time-code"
        inputMode="text"
        spellCheck={false}
        autoFocus
        required
      />
      <Anchor component="button" type="button" fz="xs" onClick={back}>
        Somebody else
      </Anchor>
    </Form>
  )
}

/** A password that somebody else knows is good for one log-in. */
function FirstPassword({
  name,
  given,
  done,
}: {
  name: string
  given: string
  done: (me: Me) => void
}) {
  const [old, setOld] = useState(given)
  const [fresh, setFresh] = useState<string | null>(null)
  async function send() {
    const body = { password: old, new_password: fresh ?? '' }
    const { data } = await dashboards.POST('/api/v1/me/password', { body })
    if (data) done(data)
  }
  return (
    <Form action="Set my password" send={send} ready={old !== '' && fresh !== null}>
      <Text fz="sm">
        {name}, your password was given to you by somebody else. Choose one that only you know.
      </Text>
      {given === '' && (
        <PasswordInput
          label="The password you were given"
          size="sm"
          value={old}
          onChange={(event) => setOld(event.currentTarget.value)}
          autoComplete="current-password"
          required
        />
      )}
      <NewPassword size="sm" choose={setFresh} />
    </Form>
  )
}

function Form({
  action,
  ready,
  send,
  children,
}: {
  action: string
  ready: boolean
  send: () => Promise<void>
  children: ReactNode
}) {
  const [failure, setFailure] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const alive = useRef(true)
  useEffect(() => {
    alive.current = true
    return () => {
      alive.current = false
    }
  }, [])
  async function submit(event: FormEvent) {
    event.preventDefault()
    if (!ready || busy) return
    setBusy(true)
    setFailure(null)
    try {
      await send()
    } catch (error) {
      if (alive.current) setFailure(error)
    }
    if (alive.current) setBusy(false)
  }
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack gap="sm" mt="sm">
        {children}
        {failure !== null && (
          <Alert color="red" variant="light" role="alert" p="xs">
            {sentenceOf(failure)}
          </Alert>
        )}
        <Button type="submit" size="sm" loading={busy} disabled={!ready}>
          {action}
        </Button>
      </Stack>
    </form>
  )
}
