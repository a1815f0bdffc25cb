using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace RunnerVm.Benchmarks;

/// <summary>A machine's way to a server on this host's loopback, through agent, stream, policy and audit.</summary>
internal static class EgressBenchmark
{
    private const int Megabytes = 200;
    private const int Connections = 500;

    public static void Run(BenchmarkReport report) => RunAsync(report).GetAwaiter().GetResult();

    private static async Task RunAsync(BenchmarkReport report)
    {
        using var stop = new CancellationTokenSource();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var serving = ServeAsync(listener, stop.Token);

        var job = $$"""
            job:
              workspace: none
              steps:
                - name: download
                  run: |
                    t=$EPOCHREALTIME; curl -s -o /dev/null http://host:{{port}}/; echo $t $EPOCHREALTIME
                - name: connect
                  run: |
                    t=$EPOCHREALTIME
                    for ((i = 0; i < {{Connections}}; i++)); do exec 3<>/dev/tcp/host/{{port}}; exec 3>&-; done
                    echo $t $EPOCHREALTIME
            runner:
              network: {allow: ["host:{{port}}"]}
            """;
        var times = BuiltProgram.RunJob(job).Events.Where(static e => e.Kind() == "output").Select(static e => e.GetProperty("text").GetString()!.Trim().Split(' ')).ToList();
        report.Figure($"egress: {Megabytes} MB download by curl in the machine", Megabytes / Elapsed(times[0]), "MB/s");
        report.Figure($"egress: {Connections} connections one after another", Connections / Elapsed(times[1]), "/s");
        await stop.CancelAsync();
        await serving;
    }

    private static double Elapsed(string[] fromTo) =>
        double.Parse(fromTo[1], CultureInfo.InvariantCulture) - double.Parse(fromTo[0], CultureInfo.InvariantCulture);

    private static async Task ServeAsync(TcpListener listener, CancellationToken stop)
    {
        var running = new List<Task>();
        try
        {
            while (true) running.Add(AnswerAsync(await listener.AcceptTcpClientAsync(stop)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(running);
        }
    }

    private static async Task AnswerAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                var stream = client.GetStream();
                if (await stream.ReadAsync(new byte[4096]) == 0) return;
                await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {Megabytes * 1_000_000L}\r\nConnection: close\r\n\r\n"));
                var block = new byte[1_000_000];
                for (var i = 0; i < Megabytes; i++) await stream.WriteAsync(block);
            }
            catch (IOException)
            {
                // The client had enough.
            }
        }
    }
}
