import { Button, Group, List, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { $dashboards, dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { CopyBlock } from '@/components/copy-block'
import { Panel } from '@/components/panel'
import { Loaded } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { useRefresh } from '@/lib/use-refresh'
import { ActForm } from './act-form'

type LinkCode = components['schemas']['LinkCode']
const CHANNELS = '/api/v1/me/channels'

/** One's own chat with the bot of this system: alerts come there, and commands from there. */
export function TelegramPanel() {
  const [code, setCode] = useState<LinkCode | null>(null)
  const query = $dashboards.useQuery(
    'get',
    CHANNELS,
    {},
    // Until the code has been sent to the bot, which is what one waits for here.
    { refetchInterval: code ? 10_000 : 30_000 },
  )
  const refresh = useRefresh()
  const { ask, question } = useAsk()

  function forget(name: string) {
    ask({
      title: 'Forget this chat?',
      facts: [['Chat', name]],
      action: 'Forget it',
      act: async () => {
        await dashboards.DELETE('/api/v1/me/telegram-link')
        await refresh(CHANNELS)
      },
    })
  }

  return (
    <Panel title="Telegram">
      <Loaded query={query} what="Your chat" rows={1}>
        {(channels) => {
          const chat = channels.find((each) => each.kind === 'TELEGRAM')
          if (chat)
            return (
              <Group gap="sm">
                <Text fz="sm">
                  Linked to {chat.name} <TimeText at={chat.created_at} />
                  {chat.last_error && `; the last message failed: ${chat.last_error}`}.
                </Text>
                <Button variant="default" size="compact-xs" onClick={() => forget(chat.name)}>
                  Forget it
                </Button>
              </Group>
            )
          if (code) return <Steps code={code} />
          return (
            <ActForm
              action="Link my chat"
              act={async () => {
                const { data } = await dashboards.POST('/api/v1/me/telegram-link')
                if (data) setCode(data)
              }}
            >
              <Text fz="sm">
                Alerts come to your chat with the bot of this system, and it takes your commands
                from there.
              </Text>
            </ActForm>
          )
        }}
      </Loaded>
      {question}
    </Panel>
  )
}

function Steps({ code }: { code: LinkCode }) {
  return (
    <Stack gap="sm" maw={420}>
      <List type="ordered" fz="sm" withPadding>
        <List.Item>
          Open your chat with the bot in Telegram; your operator knows its name.
        </List.Item>
        <List.Item>Send it this line. It works once.</List.Item>
      </List>
      <CopyBlock label="Line to send" value={`/start ${code.code}`} />
      <Text fz="xs" c="dimmed">
        Good until <TimeText at={code.expires_at} relative={false} />. This page notices by itself.
      </Text>
    </Stack>
  )
}
