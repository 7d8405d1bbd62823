// SPDX-License-Identifier: LGPL-2.1-or-later
// The peer: an echo by gRPC with mutual TLS, in front of the same D-Bus service in the guest.
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <systemd/sd-bus.h>

#include "bench-echo.h"
#include "bench.h"
#include "echo.grpc.pb.h"

using tombolo::bench::Echo;
using tombolo::bench::Payload;

static const char usage[] =
    "Usage: tombolo-bench-grpc server DIRECTORY ADDRESS\n"
    "       tombolo-bench-grpc client DIRECTORY ADDRESS\n"
    "Measures echoes by gRPC; the server gets them from the echo service on its system bus. Lines "
    "on\n"
    "the client's standard input, as tombolo-bench-bus has them: latency, rate.\n";

static std::string
read_file (const std::string &path)
{
  std::ifstream file (path);
  std::stringstream text;

  text << file.rdbuf ();
  if (!file || text.str ().empty ())
    {
      fprintf (stderr, "Cannot read %s\n", path.c_str ());
      exit (EXIT_FAILURE);
    }
  return text.str ();
}

// Connections to the guest's bus; each is used by one thread at a time.
class BusPool
{
public:
  sd_bus *
  take ()
  {
    sd_bus *bus = nullptr;
    {
      std::lock_guard<std::mutex> lock (mutex_);

      if (!free_.empty ())
        {
          bus = free_.back ();
          free_.pop_back ();
        }
    }
    if (bus == nullptr && sd_bus_open_system (&bus) < 0)
      return nullptr;
    return bus;
  }

  void
  give_back (sd_bus *bus)
  {
    std::lock_guard<std::mutex> lock (mutex_);

    free_.push_back (bus);
  }

private:
  std::mutex mutex_;
  std::vector<sd_bus *> free_;
};

class EchoServer final : public Echo::Service
{
  grpc::Status
  Call (grpc::ServerContext *, const Payload *request, Payload *reply) override
  {
    sd_bus *bus = pool_.take ();
    bool good = bus != nullptr && forward (bus, request->data (), reply);

    if (bus != nullptr)
      pool_.give_back (bus);
    return good ? grpc::Status::OK : grpc::Status (grpc::StatusCode::INTERNAL, "The bus failed.");
  }

  static bool
  forward (sd_bus *bus, const std::string &data, Payload *reply)
  {
    sd_bus_message *call = nullptr, *answer = nullptr;
    const void *bytes;
    size_t size;
    bool good =
        sd_bus_message_new_method_call (bus, &call, ECHO_NAME, ECHO_PATH, ECHO_INTERFACE, "Echo")
            >= 0
        && sd_bus_message_append_array (call, 'y', data.data (), data.size ()) >= 0
        && sd_bus_call (bus, call, 0, nullptr, &answer) >= 0
        && sd_bus_message_read_array (answer, 'y', &bytes, &size) >= 0;

    if (good)
      reply->set_data (bytes, size);
    sd_bus_message_unref (call);
    sd_bus_message_unref (answer);
    return good;
  }

  BusPool pool_;
};

static int
run_server (const std::string &directory, const char *address)
{
  grpc::SslServerCredentialsOptions options (
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  grpc::ServerBuilder builder;
  EchoServer service;

  options.pem_root_certs = read_file (directory + "/ca.pem");
  options.pem_key_cert_pairs.push_back (
      { read_file (directory + "/server.key"), read_file (directory + "/server.pem") });
  builder.AddListeningPort (address, grpc::SslServerCredentials (options));
  builder.RegisterService (&service);

  std::unique_ptr<grpc::Server> server = builder.BuildAndStart ();
  if (server == nullptr)
    return EXIT_FAILURE;
  server->Wait ();
  return EXIT_SUCCESS;
}

struct Client
{
  std::unique_ptr<Echo::Stub> stub;
  Payload request;
};

static int
check (const grpc::Status &status)
{
  if (!status.ok ())
    fprintf (stderr, "A call failed: %s\n", status.error_message ().c_str ());
  return status.ok () ? 0 : -EIO;
}

static int
call_once (void *user_data)
{
  Client *client = static_cast<Client *> (user_data);
  grpc::ClientContext context;
  Payload reply;

  return check (client->stub->Call (&context, client->request, &reply));
}

static int
run_latency (void *user_data, const uint64_t *arguments)
{
  Client *client = static_cast<Client *> (user_data);

  if (arguments[0] > BENCH_MAX_SIZE)
    return -EINVAL;
  client->request.set_data (std::string (arguments[0], '\0'));
  return bench_latency (arguments[1], call_once, client);
}

// Calls that follow each other on one of the slots of a rate.
struct Slot
{
  grpc::ClientContext context;
  Payload reply;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<Payload> > reader;
};

static void
start (Client *client, grpc::CompletionQueue *queue)
{
  Slot *slot = new Slot;

  slot->reader = client->stub->AsyncCall (&slot->context, client->request, queue);
  slot->reader->Finish (&slot->reply, &slot->status, slot);
}

static int
run_rate (void *user_data, const uint64_t *arguments)
{
  Client *client = static_cast<Client *> (user_data);
  uint64_t begun = bench_now (), to_send = arguments[2], to_come = arguments[2];
  grpc::CompletionQueue queue;
  int r = 0;

  if (arguments[0] > BENCH_MAX_SIZE)
    return -EINVAL;
  client->request.set_data (std::string (arguments[0], '\0'));
  for (uint64_t i = 0; i < arguments[1] && to_send > 0; i++, to_send--)
    start (client, &queue);

  for (void *tag; to_come > 0; to_come--)
    {
      bool good;

      if (!queue.Next (&tag, &good))
        return -EIO;
      std::unique_ptr<Slot> slot (static_cast<Slot *> (tag));
      if (check (slot->status) < 0)
        r = -EIO;
      if (to_send > 0)
        {
          start (client, &queue);
          to_send--;
        }
    }
  if (r >= 0)
    bench_print_time (bench_now () - begun);
  return r;
}

static const BenchCommand commands[] = {
  { "latency", 2, run_latency },
  { "rate", 3, run_rate },
  { nullptr, 0, nullptr },
};

static int
run_client (const std::string &directory, const char *address)
{
  grpc::SslCredentialsOptions options;
  grpc::ChannelArguments arguments;
  Client client;

  options.pem_root_certs = read_file (directory + "/ca.pem");
  options.pem_private_key = read_file (directory + "/client.key");
  options.pem_cert_chain = read_file (directory + "/client.pem");
  arguments.SetSslTargetNameOverride ("server");
  client.stub = Echo::NewStub (
      grpc::CreateCustomChannel (address, grpc::SslCredentials (options), arguments));
  return bench_serve (commands, &client);
}

int
main (int argc, char **argv)
{
  if (argc == 4 && strcmp (argv[1], "server") == 0)
    return run_server (argv[2], argv[3]);
  if (argc == 4 && strcmp (argv[1], "client") == 0)
    return run_client (argv[2], argv[3]);

  fputs (usage, stderr);
  return 2;
}
