using RunnerVm.Vmm.Monitor.Start;
using Xunit;

namespace RunnerVm.Tests.Vmm.Start;

public sealed class ArgumentParserTests
{
    [Fact]
    public void Nothing_said_is_Firecrackers_defaults()
    {
        Assert.Equal(new Arguments(), ArgumentParser.Parse([]));
        Assert.Equal(("anonymous-instance", "/run/firecracker.socket", 51_200), (new Arguments().Id, new Arguments().ApiSocket, new Arguments().PayloadLimit));
    }

    [Fact]
    public void Everything_can_be_said_in_either_form()
    {
        var wanted = new Arguments
        {
            Id = "vm-1", ApiSocket = "/a", NoApi = true, ConfigFile = "/c", Metadata = "/m", BootTimer = true, NoSeccomp = true, LogPath = "/l", Level = "Debug", Module = "api",
            ShowLevel = true, ShowLogOrigin = true, MetricsPath = "/x", PayloadLimit = 100, MmdsLimit = 200, StartTimeUs = 5,
        };
        Assert.Equal(wanted, ArgumentParser.Parse(
        [
            "--id", "vm-1", "--api-sock", "/a", "--no-api", "--config-file", "/c", "--metadata", "/m", "--boot-timer", "--no-seccomp", "--log-path", "/l", "--level", "Debug",
            "--module", "api", "--show-level", "--show-log-origin", "--metrics-path", "/x", "--http-api-max-payload-size", "100", "--mmds-size-limit", "200",
            "--start-time-us", "5", "--start-time-cpu-us", "6", "--parent-cpu-time-us", "7",
        ]));
        Assert.Equal(new Arguments { Id = "a", ApiSocket = "/x=y" }, ArgumentParser.Parse(["--id=a", "--api-sock=/x=y"]));
    }

    [Theory]
    [InlineData("--api-socket /a", "There is no argument --api-socket. Did you mean --api-sock? See --help.")]
    [InlineData("machine.json", "There is no argument machine.json. See --help.")]
    [InlineData("--id", "--id takes a value: --id ID.")]
    [InlineData("--id a --id b", "--id is given twice.")]
    [InlineData("--id a_b", "--id a_b: may have 1 to 64 letters, digits and '-'.")]
    [InlineData("--id=", "--id : may have 1 to 64 letters, digits and '-'.")]
    [InlineData("--boot-timer=yes", "--boot-timer takes no value.")]
    [InlineData("--no-api", "--no-api takes --config-file: nobody could tell the machine what it is.")]
    [InlineData("--level loud", "--level loud: choose Off, Error, Warning, Info, Debug or Trace.")]
    [InlineData("--mmds-size-limit 0", "--mmds-size-limit 0: takes a number of bytes, 1 to 268435456.")]
    [InlineData("--http-api-max-payload-size 268435457", "--http-api-max-payload-size 268435457: takes a number of bytes, 1 to 268435456.")]
    [InlineData("--start-time-us -1", "--start-time-us -1: takes a number of microseconds.")]
    [InlineData("--seccomp-filter /f", "--seccomp-filter is not here: the filter is part of this program. Leave the option out, or switch filtering off with --no-seccomp.")]
    [InlineData("--enable-pci", "--enable-pci is not here: devices are on virtio-mmio. Leave the option out.")]
    public void What_is_wrong_is_said_with_what_to_do(string line, string sentence) =>
        Assert.Equal(sentence, Assert.Throws<ArgumentProblemException>(() => ArgumentParser.Parse(line.Split(' '))).Message);

    [Fact]
    public void Help_names_every_argument()
    {
        foreach (var name in new[] { "--api-sock", "--config-file", "--no-api", "--id", "--boot-timer", "--version", "--metrics-path", "--no-seccomp" })
            Assert.Contains(name, ArgumentParser.Usage, StringComparison.Ordinal);
    }
}
