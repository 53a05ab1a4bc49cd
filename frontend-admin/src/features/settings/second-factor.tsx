import {
  Badge,
  Button,
  Group,
  Image,
  List,
  PasswordInput,
  Stack,
  Text,
  TextInput,
} from '@mantine/core'
import { useState } from 'react'
import { dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { CopyBlock } from '@/components/copy-block'
import { ActForm } from './act-form'
import { useStay } from './use-me'

type Me = components['schemas']['Me']
type Secret = components['schemas']['SecondFactor']
type Asked = 'codes' | 'disable' | null

/** On or off; each way asks for what only its owner has. */
export function SecondFactor({ me }: { me: Me }) {
  const [secret, setSecret] = useState<Secret | null>(null)
  const [codes, setCodes] = useState<string[] | null>(null)
  if (codes) return <RecoveryCodes codes={codes} close={() => setCodes(null)} />
  if (secret)
    return (
      <Enrol
        secret={secret}
        cancel={() => setSecret(null)}
        done={(made) => {
          setSecret(null)
          setCodes(made)
        }}
      />
    )
  if (me.totp_enabled) return <Enabled left={me.recovery_codes_left} show={setCodes} />
  return (
    <ActForm
      action="Set it up"
      act={async () => {
        const { data } = await dashboards.POST('/api/v1/me/totp/start')
        if (data) setSecret(data)
      }}
    >
      <Text fz="sm">
        <Badge color="gray" variant="light">
          off
        </Badge>{' '}
        With an authenticator app on your telephone, a stolen password alone opens nothing. Whoever
        can trade should have one.
      </Text>
    </ActForm>
  )
}

function Enrol({
  secret,
  done,
  cancel,
}: {
  secret: Secret
  done: (codes: string[]) => void
  cancel: () => void
}) {
  const [code, setCode] = useState('')
  const stay = useStay()
  async function confirm() {
    const { data } = await dashboards.POST('/api/v1/me/totp/confirm', {
      body: { code: code.trim() },
    })
    if (!data) return
    done(data.recovery_codes)
    await stay(data.csrf_token)
  }
  return (
    <Group align="start" gap="lg">
      <Image
        src={secret.qr_svg}
        alt="QR code for the authenticator app"
        w={190}
        h={190}
        p={8}
        bg="white"
      />
      <Stack gap="sm" maw={420} style={{ flex: '1 1 260px' }}>
        <Text fz="sm">Scan this with an authenticator app, or type the secret into it.</Text>
        <CopyBlock label="Secret" value={secret.secret} />
        <ActForm action="Confirm" ready={code.trim().length === 6} act={confirm} cancel={cancel}>
          <TextInput
            label="Code that the app shows"
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
            inputMode="numeric"
            autoComplete="one-time-code"
            maxLength={7}
            required
          />
        </ActForm>
      </Stack>
    </Group>
  )
}

function RecoveryCodes({ codes, close }: { codes: string[]; close: () => void }) {
  return (
    <Stack gap="sm" maw={420}>
      <Text fz="sm" fw={600}>
        Keep these codes where your telephone is not. They are shown this once.
      </Text>
      <Text fz="sm">Each opens once in the place of a code, when the telephone is lost.</Text>
      <CopyBlock label="Recovery codes" value={codes.join('\n')} />
      <Button onClick={close} style={{ alignSelf: 'start' }}>
        I have kept them
      </Button>
    </Stack>
  )
}

function Enabled({ left, show }: { left: number; show: (codes: string[]) => void }) {
  const [asked, setAsked] = useState<Asked>(null)
  return (
    <Stack gap="sm">
      <Text fz="sm">
        <Badge color="green" variant="light">
          on
        </Badge>{' '}
        A code is asked for at each log-in.
      </Text>
      <List fz="sm" withPadding>
        <List.Item>
          {left} recovery codes are left{left < 3 && ': make new ones'}
        </List.Item>
      </List>
      {asked === null ? (
        <Group gap="xs">
          <Button variant="default" onClick={() => setAsked('codes')}>
            New recovery codes
          </Button>
          <Button variant="default" color="red" onClick={() => setAsked('disable')}>
            Switch it off
          </Button>
        </Group>
      ) : (
        <WithPassword asked={asked} close={() => setAsked(null)} show={show} />
      )}
    </Stack>
  )
}

function WithPassword({
  asked,
  close,
  show,
}: {
  asked: Exclude<Asked, null>
  close: () => void
  show: (codes: string[]) => void
}) {
  const [password, setPassword] = useState('')
  const stay = useStay()
  async function act() {
    const body = { password }
    if (asked === 'codes') {
      const { data } = await dashboards.POST('/api/v1/me/recovery-codes', { body })
      if (data) show(data.recovery_codes)
      await stay(data?.csrf_token)
    } else {
      const { data } = await dashboards.POST('/api/v1/me/totp/disable', { body })
      await stay(data?.csrf_token)
    }
    close()
  }
  return (
    <ActForm
      action={asked === 'codes' ? 'Make new recovery codes' : 'Switch the second factor off'}
      ready={password !== ''}
      act={act}
      cancel={close}
    >
      <PasswordInput
        label="Your password"
        description={asked === 'codes' ? 'The codes of before open nothing then.' : undefined}
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        autoComplete="current-password"
        required
      />
    </ActForm>
  )
}
