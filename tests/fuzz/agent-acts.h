/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an input of fuzz-conversation-agent is made of: acts with their arguments, a byte each. */
#pragma once

typedef enum
{
  AGENT_SESSION,   /* kind (0: bus, 1: agent, 2: stream); 255: more than may be */
  AGENT_OPEN,      /* channel, which bus */
  AGENT_CALL,      /* channel, destination, member, flags and size, times */
  AGENT_DRIVER,    /* channel, which call, flags */
  AGENT_CALLER,    /* channel, whom it serves */
  AGENT_ANSWER,    /* channel, which callback, options */
  AGENT_HOST_RAW,  /* channel, how many bytes, bytes */
  AGENT_HOST_ODD,  /* channel, what no host sends */
  AGENT_HANG_UP,   /* channel */
  AGENT_PAUSE,     /* channel, odd: pause */
  AGENT_REPLY,     /* connection, options, what is added to the serial, sender */
  AGENT_SIGNAL,    /* connection, sender, options, times */
  AGENT_OWNER,     /* connection, name, owner */
  AGENT_CALLBACK,  /* connection, sender, options */
  AGENT_BUS_RAW,   /* connection, how many bytes, bytes */
  AGENT_BUS_CLOSE, /* connection */
  AGENT_BUS_PAUSE, /* connection, odd: pause */
  AGENT_MODE,      /* AgentMode */
  AGENT_TIME,      /* how much passes */
  AGENT_SUBSCRIBE, /* channel */
  N_AGENT_ACTS
} AgentAct;

/* Is added to an act: the next one comes before anybody has heard of this one. */
#define AGENT_AT_ONCE 128

enum
{
  AGENT_BUS_SILENT = 1, /* the bus answers nothing by itself but Hello */
  AGENT_BUS_DEAF = 2,   /* nor Hello; of connections to come */
};
